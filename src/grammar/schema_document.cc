#include "grammar/schema_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace facet {

namespace {

std::string unescape_pointer(std::string_view token) {
    std::string text;
    for (size_t i = 0; i < token.size(); ++i) {
        if (token[i] == '%' && i + 2 < token.size()) {
            constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
            const size_t high = kDigits.find(token[i + 1]), low = kDigits.find(token[i + 2]);
            if (high != std::string_view::npos && low != std::string_view::npos) {
                text += static_cast<char>((high % 16) * 16 + low % 16);
                i += 2;
                continue;
            }
        }
        text += token[i];
    }
    std::string result;
    for (size_t i = 0; i < text.size(); ++i) {
        const char next = i + 1 < text.size() ? text[i + 1] : '\0';
        if (text[i] == '~' && (next == '0' || next == '1')) {
            result += next == '0' ? '~' : '/';
            ++i;
        } else {
            result += text[i];
        }
    }
    return result;
}

}  // namespace

SchemaDocument::SchemaDocument(const Json& root) : root_(root) {
    std::vector<const Json*> open = {&root};
    while (!open.empty()) {
        const Json* part = open.back();
        open.pop_back();
        for (size_t i = 0; i < part->items.size(); ++i) {
            places_[&part->items[i]] = {part, fmt::format("{}", i)};
            open.push_back(&part->items[i]);
        }
        for (const auto& [key, value] : part->members) {
            places_[&value] = {part, key};
            open.push_back(&value);
            if (!value.is_string()) continue;
            if (key == "$anchor") anchors_.emplace(value.text, part);
            if (key == "$id" && value.text.starts_with('#'))
                anchors_.emplace(value.text.substr(1), part);
        }
    }
}

std::string SchemaDocument::path_of(const Json& part) const {
    std::vector<std::string_view> keys;
    for (auto at = places_.find(&part); at != places_.end(); at = places_.find(at->second.parent))
        keys.push_back(at->second.key);
    std::string path = "#";
    for (auto key = keys.rbegin(); key != keys.rend(); ++key) (path += '/') += *key;
    return path;
}

Result<const Json*> SchemaDocument::resolve(std::string_view reference) const {
    const Error missing =
        invalid_input(fmt::format("$ref {}: there is no such part of the schema", reference));
    if (!reference.starts_with('#')) {
        const Json* id = root_.find("$id");
        const size_t hash = std::min(reference.find('#'), reference.size());
        if (id == nullptr || !id->is_string() || id->text != reference.substr(0, hash))
            return unsupported(
                fmt::format("$ref {}: references out of the schema are not supported", reference));
        reference.remove_prefix(hash);
        if (reference.empty()) return &root_;
    }
    reference.remove_prefix(1);
    if (reference.empty()) return &root_;
    if (!reference.starts_with('/')) {
        const auto anchor = anchors_.find(std::string(reference));
        if (anchor == anchors_.end()) return missing;
        return anchor->second;
    }
    const Json* part = &root_;
    while (!reference.empty()) {
        reference.remove_prefix(1);
        const size_t end = std::min(reference.find('/'), reference.size());
        const std::string key = unescape_pointer(reference.substr(0, end));
        reference.remove_prefix(end);
        const Json* next = part->find(key);
        if (part->is_array()) {
            size_t index = 0;
            for (const char c : key) {
                if (c < '0' || c > '9' || index > part->items.size()) return missing;
                index = index * 10 + static_cast<size_t>(c - '0');
            }
            if (!key.empty() && index < part->items.size()) next = &part->items[index];
        }
        if (next == nullptr) return missing;
        part = next;
    }
    return part;
}

}  // namespace facet

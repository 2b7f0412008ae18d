// Bytes of a terminal to keys.
#include "keys.h"

#include <gtest/gtest.h>

namespace facet::app {
namespace {

std::vector<Key> keys(std::string_view bytes) {
    KeyDecoder decoder;
    decoder.feed(bytes);
    std::vector<Key> out;
    while (const auto press = decoder.next()) out.push_back(press->key);
    return out;
}

TEST(KeyDecoder, KnowsTheEditingKeys) {
    EXPECT_EQ(keys("\x1b[A\x1b[B\x1b[C\x1b[D"),
              (std::vector{Key::kUp, Key::kDown, Key::kRight, Key::kLeft}));
    EXPECT_EQ(keys("\x1bOA\x1bOH\x1bOF"), (std::vector{Key::kUp, Key::kHome, Key::kEnd}));
    EXPECT_EQ(keys("\x1b[H\x1b[1~\x1b[4~\x1b[3~"),
              (std::vector{Key::kHome, Key::kHome, Key::kEnd, Key::kDelete}));
    EXPECT_EQ(keys("\x1b[1;5D\x1b[1;3C"), (std::vector{Key::kWordLeft, Key::kWordRight}));
    EXPECT_EQ(keys("\x1b\r\r\n"), (std::vector{Key::kNewline, Key::kEnter, Key::kEnter}));
    EXPECT_EQ(keys("\x01\x05\x0b\x15\x17\x03\x04"),
              (std::vector{Key::kHome, Key::kEnd, Key::kKillToEnd, Key::kKillToHome, Key::kKillWord,
                           Key::kInterrupt, Key::kEndOfInput}));
}

TEST(KeyDecoder, WaitsForTheRestOfACharacterOrSequence) {
    KeyDecoder decoder;
    decoder.feed("\xe4\xb8");
    EXPECT_FALSE(decoder.next());
    decoder.feed("\x96\x1b[");
    EXPECT_EQ(decoder.next()->text, "世");
    EXPECT_FALSE(decoder.next());
    EXPECT_TRUE(decoder.has_unfinished());
    decoder.feed("A");
    EXPECT_EQ(decoder.next()->key, Key::kUp);
    EXPECT_FALSE(decoder.has_unfinished());
}

TEST(KeyDecoder, AnUnknownSequenceIsSwallowedWhole) {
    EXPECT_EQ(keys("\x1b[38;5;1ma"), (std::vector{Key::kUnknown, Key::kText}));
}

TEST(KeyDecoder, APasteIsOneKeyHoweverItIsCut) {
    const std::string bytes = "\x1b[200~one\rtwo\x1b[Athree\x1b[201~x";
    for (size_t cut = 1; cut < bytes.size(); ++cut) {
        KeyDecoder decoder;
        std::vector<KeyPress> presses;
        decoder.feed(bytes.substr(0, cut));
        while (auto press = decoder.next()) presses.push_back(*press);
        decoder.feed(bytes.substr(cut));
        while (auto press = decoder.next()) presses.push_back(*press);
        ASSERT_EQ(presses.size(), 2u) << cut;
        EXPECT_EQ(presses[0].key, Key::kPaste);
        EXPECT_EQ(presses[0].text, "one\rtwo\x1b[Athree");
        EXPECT_EQ(presses[1].text, "x");
    }
}

}  // namespace
}  // namespace facet::app

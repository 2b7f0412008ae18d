// Each object of an instruction set gives the linker one function, its table, and nothing else.
//
// A second symbol that is shared, above all a weak one (an inline function or template), could
// replace the same function of code that must run everywhere, and stop the program on machines
// without that instruction set.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace facet::cpu {
namespace {

// The table's name in a file's name: "avx2" of "kernels_avx2.cc.o"; empty for other files.
std::string table_of(const std::string& member) {
    const std::string start = "kernels_";
    const size_t at = member.find(start), end = member.find(".cc");
    if (at != 0 || end == std::string::npos) return "";
    return member.substr(start.size(), end - start.size());
}

// A pointer, no code, that some sanitizers add.
constexpr char kPersonality[] = "V DW.ref.__gxx_personality_v0";

// What is wrong with the kernels' members of a library, one line each, from the output of
// nm -A -C --defined-only --extern-only: "library:member:address letter name" for each symbol that
// the linker sees, of all letters. `tables` receives the tables that were found.
std::vector<std::string> wrong_symbols(const std::string& output,
                                       std::vector<std::string>* tables) {
    std::map<std::string, std::vector<std::string>> symbols;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
        const size_t symbol = line.rfind(':', line.find(' ')), member = line.rfind(':', symbol - 1);
        const std::string table = table_of(line.substr(member + 1, symbol - member - 1));
        // After the address: the letter and the name.
        const std::string found = line.substr(line.find(' ') + 1);
        if (!table.empty() && found != kPersonality) symbols[table].push_back(found);
    }
    std::vector<std::string> wrong;
    for (const auto& [table, found] : symbols) {
        tables->push_back(table);
        const std::string only = "T facet::cpu::kernels_" + table + "()";
        bool has_table = false;
        for (const std::string& symbol : found) {
            if (symbol == only) {
                has_table = true;
            } else {
                wrong.push_back("kernels_" + table + ".cc also exports " + symbol);
            }
        }
        if (!has_table) wrong.push_back("kernels_" + table + ".cc does not export " + only);
    }
    return wrong;
}

std::string output_of(const std::string& command) {
    std::string output;
    FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return output;
    std::array<char, 4096> buffer;
    for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        output.append(buffer.data(), n);
    EXPECT_EQ(pclose(pipe), 0) << command;
    return output;
}

TEST(KernelSymbols, EachInstructionSetExportsItsTableAlone) {
    std::vector<std::string> tables;
    const auto wrong = wrong_symbols(
        output_of(FACET_NM " -A -C --defined-only --extern-only " FACET_CPU_LIBRARY), &tables);
    for (const std::string& line : wrong) ADD_FAILURE() << line;
#if defined(__x86_64__)
    EXPECT_EQ(tables,
              (std::vector<std::string>{"avx2", "avx512", "avx512bf16", "avxvnni", "scalar"}));
#elif defined(__aarch64__)
    EXPECT_EQ(tables, (std::vector<std::string>{"neon", "scalar"}));
#endif
}

TEST(KernelSymbols, ASecondSymbolOfAnyKindIsFound) {
    const std::string table =
        "lib.a:kernels_avx2.cc.o:0000000000000000 T facet::cpu::kernels_avx2()\n";
    std::vector<std::string> tables;
    EXPECT_TRUE(wrong_symbols(table, &tables).empty());
    EXPECT_EQ(tables, std::vector<std::string>{"avx2"});
    // Functions, inline functions and templates (W), inline variables (u, V), data of each kind.
    for (const char letter : {'T', 'W', 'V', 'u', 'D', 'B', 'R', 'i', 'C'}) {
        const std::string second = std::string("lib.a:kernels_avx2.cc.o:0000000000000010 ") +
                                   letter + " std::vector<int>::size() const\n";
        ASSERT_EQ(wrong_symbols(table + second, &tables).size(), 1u) << letter;
        EXPECT_NE(wrong_symbols(second + table, &tables)[0].find("vector"), std::string::npos);
    }
    EXPECT_EQ(wrong_symbols("lib.a:kernels_avx2.cc.o:0000000000000010 W f()\n", &tables).size(),
              2u);
    EXPECT_TRUE(wrong_symbols("lib.a:strips.cc.o:0000000000000010 W f()\n", &tables).empty());
}

}  // namespace
}  // namespace facet::cpu

// Requests and answers of `facet logits --batch`.
#include "logits_request.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace facet::app {
namespace {

Result<LogitsRequest> parse(const std::string& text) {
    return parse_logits_request(Json::parse(text).value());
}

TEST(LogitsRequest, ReadsPositions) {
    EXPECT_EQ(parse(R"({"ids": [2, 5, 7]})").value().positions, std::vector<int32_t>{2});
    EXPECT_EQ(parse(R"({"ids": [2, 5, 7], "positions": "last"})").value().positions,
              std::vector<int32_t>{2});
    EXPECT_EQ(parse(R"({"ids": [2, 5, 7], "positions": "all", "top": 0})").value().positions,
              (std::vector<int32_t>{0, 1, 2}));
    EXPECT_EQ(parse(R"({"ids": [2, 5, 7], "positions": [2, 0]})").value().positions,
              (std::vector<int32_t>{2, 0}));
}

TEST(LogitsRequest, RefusesWhatMakesNoSense) {
    for (const char* text : {"{}", R"({"ids": []})", R"({"ids": "x"})", R"({"ids": [1.5]})",
                             R"({"ids": [-1]})", R"({"ids": [1], "positions": [1]})",
                             R"({"ids": [1], "positions": [-1]})", R"({"ids": [1], "top": -1})",
                             R"({"ids": [1], "positions": "some"})", R"({"ids": [99999999999]})"}) {
        EXPECT_FALSE(parse(text).ok()) << text;
    }
    EXPECT_EQ(parse(R"({"ids": [1], "images": ["a.png"]})").error().message,
              "pictures are not supported yet");
    EXPECT_TRUE(parse(R"({"ids": [1], "images": []})").ok());
}

TEST(TopLogits, AreDescendingWithTheLowerIdFirst) {
    const float row[] = {1, 3, 2, 3, -1};
    const auto top = top_logits(row, 5, 3).value();
    EXPECT_EQ(top, (std::vector<std::pair<int32_t, float>>{{1, 3.0f}, {3, 3.0f}, {2, 2.0f}}));
    EXPECT_EQ(top_logits(row, 5, 100).value().size(), 5u);
    EXPECT_TRUE(top_logits(row, 5, 0).value().empty());
}

TEST(TopLogits, RefuseNaN) {
    const float row[] = {1, std::nanf(""), 2};
    EXPECT_FALSE(top_logits(row, 3, 1).ok());
}

TEST(AppendPosition, PrintsNumbersThatReadBackAsTheSameFloat) {
    const float values[] = {0.1f,
                            1.0f / 3,
                            -29.999998f,
                            1e-30f,
                            16777216.0f,
                            5.0f,
                            std::numeric_limits<float>::denorm_min()};
    for (const float value : values) {
        std::string out;
        append_position(out, 4, {{7, value}});
        const Json json = Json::parse(out).value();
        EXPECT_EQ(json.find("pos")->text, "4");
        const std::string lexeme = json.find("top")->items[0].items[1].text;
        EXPECT_EQ(std::strtof(lexeme.c_str(), nullptr), value) << lexeme;
        EXPECT_EQ(static_cast<float>(std::strtod(lexeme.c_str(), nullptr)), value) << lexeme;
    }
}

}  // namespace
}  // namespace facet::app

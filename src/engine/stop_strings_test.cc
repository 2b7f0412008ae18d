#include "engine/stop_strings.h"

#include <gtest/gtest.h>

namespace facet {
namespace {

// All that comes out when `text` is pushed in pieces of `size` bytes.
std::string run(StopStrings& stops, const std::string& text, size_t size) {
    std::string out;
    for (size_t i = 0; i < text.size(); i += size) out += stops.push(text.substr(i, size));
    return out + stops.finish();
}

TEST(StopStrings, TextBeforeTheFirstStopIsTheSameHoweverItArrives) {
    for (size_t size = 1; size < 12; ++size) {
        StopStrings stops({"END", "ENORMOUS", "xyz"});
        EXPECT_EQ(run(stops, "an ENORxyEND of all END", size), "an ENORxy") << size;
        EXPECT_TRUE(stops.stopped());
    }
}

TEST(StopStrings, WhatOnlyLookedLikeAStopComesOut) {
    StopStrings stops({"END"});
    EXPECT_EQ(stops.push("the EN"), "the ");
    EXPECT_EQ(stops.push("ERGY"), "ENERGY");
    EXPECT_EQ(stops.push(" EN"), " ");
    EXPECT_EQ(stops.finish(), "EN");
    EXPECT_FALSE(stops.stopped());
}

TEST(StopStrings, WithoutStopsNothingIsHeld) {
    StopStrings stops({""});
    EXPECT_EQ(stops.push("text"), "text");
}

}  // namespace
}  // namespace facet

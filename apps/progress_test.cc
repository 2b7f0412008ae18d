// The bar's text and grouped numbers.
#include "progress.h"

#include <gtest/gtest.h>

namespace facet::app {
namespace {

TEST(ProgressLine, FitsTheTerminal) {
    EXPECT_EQ(progress_line("work", 5, 10, 30), "work [########........] 5/10");
    EXPECT_EQ(progress_line("work", 10, 10, 20), "work [#####] 10/10");
    for (int columns = 1; columns < 120; ++columns) {
        const size_t size = progress_line("reading", 512, 2048, columns).size();
        EXPECT_LT(size, static_cast<size_t>(std::max(columns, 10))) << columns;
    }
}

TEST(ProgressLine, NamesTheUnitBehindTheNumbers) {
    EXPECT_EQ(progress_line("w", 5, 10, 22, " MB"), "w [####....] 5/10 MB");
}

TEST(ProgressLine, SurvivesNumbersThatMakeNoSense) {
    EXPECT_EQ(progress_line("work", 5, 0, 80), "5/0");
    EXPECT_EQ(progress_line("w", 20, 10, 20), "w [########] 20/10");
}

TEST(Grouped, SetsCommasBetweenThousands) {
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(999), "999");
    EXPECT_EQ(grouped(1000), "1,000");
    EXPECT_EQ(grouped(-123456), "-123,456");
    EXPECT_EQ(grouped(1234567890), "1,234,567,890");
}

}  // namespace
}  // namespace facet::app

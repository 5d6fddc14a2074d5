// Grain, and what a mill does with it.
#pragma once

#include "bag.h"

namespace mill {

struct Grain {
    int weight = 0;
    int moisture = 0;
};

struct Stone {
    virtual int grind(const Grain& grain) const = 0;
    virtual int wear(int grams) const { return clamp(grams / 64, 0, 100); }
};

using Sack = Bag<Grain, 32>;
using Weights = Bag<long long, 32>;

const Stone& coarse();
const Stone& fine();
int dry(Sack& sack, int days);
long long sift(const Sack& sack, Weights& weights);
[[noreturn]] void stop(int code);

}  // namespace mill

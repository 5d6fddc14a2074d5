// Two mill stones behind one interface: virtual calls, a switch, and a rare branch.
#include "mill.h"

namespace mill {

namespace {

inline int flour(int grams, int percent)
{
    return grams * percent / 100;
}

struct Coarse final : Stone {
    int grind(const Grain& grain) const override
    {
        if (__builtin_expect(grain.weight < 0, 0))
            stop(grain.weight);
        return flour(grain.weight - wear(grain.weight), 70);
    }
};

struct Fine final : Stone {
    int grind(const Grain& grain) const override
    {
        switch (grain.moisture) {
        case 0:
            return flour(grain.weight, 91);
        case 1:
            return flour(grain.weight, 85) - 1;
        case 2:
            return flour(grain.weight, 77) - wear(grain.weight);
        case 3:
            return flour(grain.weight, 60) * 2;
        case 4:
            return flour(grain.weight, 52) ^ 5;
        default:
            return 0;
        }
    }

    int wear(int grams) const override { return clamp(grams / 16, 1, 200); }
};

const Coarse coarse_stone{};
const Fine fine_stone{};

}  // namespace

const Stone& coarse()
{
    return coarse_stone;
}

const Stone& fine()
{
    return fine_stone;
}

}  // namespace mill

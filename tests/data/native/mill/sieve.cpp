// Dries and sifts sacks: loops over templates with lambdas, which compilers inline many levels deep.
#include "mill.h"

namespace mill {

static inline int evaporate(int moisture, int days)
{
    return clamp(moisture - days, 0, 9);
}

int dry(Sack& sack, int days)
{
    Sack dried;
    int lost = 0;
    sack.each([&](const Grain& grain) {
        Grain next{grain.weight, evaporate(grain.moisture, days)};
        lost += grain.moisture - next.moisture;
        if (!dried.put(next))
            stop(2);
    });
    dried.sort([](const Grain& one, const Grain& other) { return one.weight < other.weight; });
    sack = dried;
    return lost;
}

template <typename Weigh>
static long long total(const Sack& sack, Weigh weigh)
{
    long long sum = 0;
    sack.each([&](const Grain& grain) { sum += weigh(grain); });
    return sum;
}

long long sift(const Sack& sack, Weights& weights)
{
    const Stone& stone = sack.count() > 8 ? fine() : coarse();
    sack.each([&](const Grain& grain) { weights.put(stone.grind(grain)); });
    weights.sort([](long long one, long long other) { return one > other; });
    return total(sack, [](const Grain& grain) { return grain.weight * 3LL + grain.moisture; });
}

}  // namespace mill

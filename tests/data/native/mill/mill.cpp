// Fills sacks, dries, sifts and counts them. Needs no library: `run` is the whole program.
#include "mill.h"

namespace mill {

struct Seed {
    unsigned state;

    unsigned next() { return state = state * 1664525u + 1013904223u; }
};

struct Shift {
    explicit Shift(int* open) : open_(open) { ++*open_; }
    ~Shift() { --*open_; }

    int* open_;
};

static Sack fill(Seed& seed, int count)
{
    Sack sack;
    for (int place = 0; place < count; ++place) {
        Grain grain{static_cast<int>(seed.next() >> 20), static_cast<int>(seed.next() >> 29)};
        sack.put(grain);
    }
    return sack;
}

__attribute__((noinline)) int depth(int rest)
{
    return rest <= 0 ? 0 : 1 + depth(rest - 3) + depth(rest - 5);
}

__attribute__((noinline)) void stop(int code)
{
    volatile int* nowhere = nullptr;
    *nowhere = code;
    __builtin_trap();
}

__attribute__((noinline)) int run(int sacks)
{
    Seed seed{7};
    int open = 0;
    long long sum = 0;
    for (int number = 0; number < sacks; ++number) {
        Shift shift(&open);
        Sack sack = fill(seed, clamp(number, 2, 31));
        Weights weights;
        sum += dry(sack, number & 3);
        sum += sift(sack, weights);
        weights.each([&sum](long long weight) { sum ^= weight; });
    }
    return static_cast<int>(sum & 0x7f) + depth(sacks) + open;
}

}  // namespace mill

extern "C" int main()
{
    return mill::run(12) & 1;
}

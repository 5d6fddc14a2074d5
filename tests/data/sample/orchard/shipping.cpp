// Ships the crates of an orchard.
#include "orchard.h"

namespace orchard {

namespace {

inline int price(const Crate& crate)
{
    return 100 / grade(crate);
}

}  // namespace

__attribute__((noinline)) int ship(const Crate* crates, int count)
{
    int total = 0;
    for (int index = 0; index < count; ++index)
        total += price(crates[index]);
    return total;
}

}  // namespace orchard

// A small program that crashes: one apple of the second crate was never picked.
#include "orchard.h"

namespace {

const orchard::Apple* const unpicked = reinterpret_cast<const orchard::Apple*>(0x10);

const orchard::Apple good[] = {{140, 2, &good[1]}, {210, 3, nullptr}};
const orchard::Apple bad[] = {{160, 2, unpicked}};

struct Day {
    orchard::Crate crates[2];

    inline int total() const { return orchard::ship(crates, 2); }
};

__attribute__((noinline)) int work(const Day& day)
{
    return day.total() + 1;
}

}  // namespace

int main()
{
    Day day = {{{good, 1}, {bad, 2}}};
    return work(day) > 0 ? 0 : 1;
}

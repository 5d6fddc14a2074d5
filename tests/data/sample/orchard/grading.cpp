// Grades a crate by its heaviest apple.
#include "orchard.h"

namespace orchard {

// The compiler must leave the call where it is, so that the stack has a frame here.
__attribute__((noinline)) int grade(const Crate& crate)
{
    int grams = heaviest(crate.first);
    if (grams > 200)
        return 1;
    return grams > 150 ? 2 : 3;
}

}  // namespace orchard

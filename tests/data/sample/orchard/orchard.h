// The apples of an orchard, and small functions that a compiler dissolves into their callers.
#pragma once

namespace orchard {

struct Apple {
    int grams;
    int stem_grams;
    const Apple* next;
};

struct Crate {
    const Apple* first;
    int label;
};

inline int weight(const Apple* apple)
{
    return apple->grams - apple->stem_grams;
}

inline int heavier(const Apple* apple, int than)
{
    int grams = weight(apple);
    return grams > than ? grams : than;
}

inline int heaviest(const Apple* first)
{
    int grams = 0;
    for (const Apple* apple = first; apple != nullptr; apple = apple->next)
        grams = heavier(apple, grams);
    return grams;
}

int grade(const Crate& crate);
int ship(const Crate* crates, int count);

}  // namespace orchard

// Containers without the standard library, so that every compiler target can have them.
#pragma once

namespace mill {

template <typename Item, int Room>
class Bag {
public:
    bool put(const Item& item)
    {
        if (count_ == Room)
            return false;
        items_[count_++] = item;
        return true;
    }

    template <typename Visit>
    void each(Visit visit) const
    {
        for (int place = 0; place < count_; ++place)
            visit(items_[place]);
    }

    template <typename Less>
    void sort(Less less)
    {
        for (int end = 1; end < count_; ++end)
            sink(end, less);
    }

    int count() const { return count_; }

private:
    template <typename Less>
    void sink(int place, Less less)
    {
        while (place > 0 && less(items_[place], items_[place - 1])) {
            swap(items_[place], items_[place - 1]);
            --place;
        }
    }

    static void swap(Item& one, Item& other)
    {
        Item kept = one;
        one = other;
        other = kept;
    }

    Item items_[Room] = {};
    int count_ = 0;
};

template <typename Number>
inline Number clamp(Number value, Number low, Number high)
{
    if (value < low)
        return low;
    return value > high ? high : value;
}

}  // namespace mill

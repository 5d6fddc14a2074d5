// Sells flour with the standard library: what real programs are mostly made of.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace market {

struct Buyer {
    std::string name;
    std::vector<int> orders;
};

class Stall {
public:
    virtual ~Stall() = default;
    virtual int price(int grams) const = 0;
};

class Cheap final : public Stall {
public:
    int price(int grams) const override { return grams / 10; }
};

class Dear final : public Stall {
public:
    explicit Dear(int markup) : markup_(markup) {}

    int price(int grams) const override
    {
        if (grams < 0)
            throw std::out_of_range("grams of " + std::to_string(grams));
        return grams / 10 * markup_;
    }

private:
    int markup_;
};

using Ledger = std::map<std::string, std::vector<std::pair<int, int>>>;

Ledger sell(const std::vector<Buyer>& buyers, const Stall& stall)
{
    Ledger ledger;
    for (const Buyer& buyer : buyers) {
        auto& rows = ledger[buyer.name];
        std::transform(buyer.orders.begin(), buyer.orders.end(), std::back_inserter(rows), [&](int grams) {
            return std::make_pair(grams, stall.price(grams));
        });
        std::sort(rows.begin(), rows.end(), [](auto& one, auto& other) { return one.second > other.second; });
    }
    return ledger;
}

std::optional<std::string> best(const Ledger& ledger)
{
    std::unordered_map<std::string, long> totals;
    for (const auto& [name, rows] : ledger)
        totals[name] = std::accumulate(rows.begin(), rows.end(), 0L, [](long sum, auto& row) { return sum + row.second; });
    auto most = std::max_element(totals.begin(), totals.end(), [](auto& one, auto& other) { return one.second < other.second; });
    if (most == totals.end())
        return std::nullopt;
    return most->first;
}

int day(int seed)
{
    std::vector<Buyer> buyers;
    for (int number = 0; number < 12; ++number)
        buyers.push_back({"buyer " + std::to_string(number), {seed, seed * number % 97, number}});
    std::vector<std::unique_ptr<Stall>> stalls;
    stalls.push_back(std::make_unique<Cheap>());
    stalls.push_back(std::make_unique<Dear>(seed % 5));
    std::function<int(const Stall&)> visit = [&](const Stall& stall) {
        auto name = best(sell(buyers, stall));
        return name ? static_cast<int>(name->size()) : 0;
    };
    int sum = 0;
    for (const auto& stall : stalls) {
        try {
            sum += visit(*stall);
        } catch (const std::out_of_range& error) {
            sum -= error.what()[0];
        }
    }
    return sum;
}

}  // namespace market

int main(int count, char**)
{
    return market::day(count * 53) & 1;
}

#include "data/phrases.h"

#include <fmt/format.h>

#include <array>

namespace pawl {
namespace {

constexpr std::array<const char*, 24> kNames = {
    "Ann", "Ben",  "Cara", "Dan",  "Eva",  "Finn", "Gina", "Hugo", "Iris", "Jack", "Kate", "Leo",
    "Mia", "Noah", "Olga", "Paul", "Rosa", "Sam",  "Tina", "Uma",  "Vera", "Will", "Yara", "Zoe"};

struct Noun {
  const char *singular, *plural;
};
constexpr std::array<Noun, 16> kThings = {{{"apple", "apples"},
                                           {"shell", "shells"},
                                           {"book", "books"},
                                           {"coin", "coins"},
                                           {"stamp", "stamps"},
                                           {"pencil", "pencils"},
                                           {"sticker", "stickers"},
                                           {"marble", "marbles"},
                                           {"cookie", "cookies"},
                                           {"card", "cards"},
                                           {"flower", "flowers"},
                                           {"orange", "oranges"},
                                           {"button", "buttons"},
                                           {"ticket", "tickets"},
                                           {"stone", "stones"},
                                           {"egg", "eggs"}}};
constexpr std::array<Noun, 6> kContainers = {{{"box", "boxes"},
                                              {"bag", "bags"},
                                              {"basket", "baskets"},
                                              {"jar", "jars"},
                                              {"pack", "packs"},
                                              {"crate", "crates"}}};

template <class T, std::size_t kCount>
std::size_t Index(const std::array<T, kCount>&, RandomStream& random) {
  return random.Below(static_cast<std::uint32_t>(kCount));
}

}  // namespace

std::string Counted(int count, const std::string& singular, const std::string& plural) {
  return fmt::format("{} {}", count, count == 1 ? singular : plural);
}

Cast Cast::Draw(RandomStream& random) {
  Cast cast;
  const std::size_t first = Index(kNames, random);
  const std::size_t second = (first + 1 + random.Below(11)) % kNames.size();
  const std::size_t third = (first + 12 + random.Below(11)) % kNames.size();
  cast.name = kNames[first];
  cast.other = kNames[second];
  cast.third = kNames[third];
  const Noun& thing = kThings[Index(kThings, random)];
  cast.thing = thing.singular;
  cast.things = thing.plural;
  const Noun& container = kContainers[Index(kContainers, random)];
  cast.container = container.singular;
  cast.containers = container.plural;
  return cast;
}

std::string Distractor(const Cast& cast, RandomStream& random) {
  const int number = random.Between(2, 40);
  switch (random.Below(5)) {
    case 0:
      return fmt::format("The shop is {} miles away.", number);
    case 1:
      return fmt::format("{} is {} years old.", cast.name, number + 5);
    case 2:
      return fmt::format("The bus leaves in {} minutes.", number);
    case 3:
      return fmt::format("A ticket costs {} dollars.", number);
    default:
      return fmt::format("There are {} trees in the street.", number);
  }
}

}  // namespace pawl

#pragma once

#include "effect/world.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

/// @file Pictures of what tests of effect have seen: a few curves over time, as SVG. Drawn only on
/// request, into the folder that BULWARK_EFFECT_PICTURES names; without it nothing is done.

namespace bulwark_effect {

class picture {
public:
  /// `name`: of the file, and in docs/effect.md; `values`: what the curves are, with the unit.
  picture(std::string name, std::string title, std::string values);

  /// A part of the time in which something is so, a shade behind the curves.
  void phase(seconds from, seconds to, std::string what);
  /// One more curve: `value` of each `step` of the time, given its begin and end. The first one is
  /// drawn dashed, the second thick, the third thin.
  void curve(std::string of, seconds from, seconds to, seconds step,
             const std::function<double(seconds, seconds)>& value);
  /// The same, where the points are known: seconds and values.
  void curve(std::string of, std::vector<std::pair<seconds, double>> points);

  /// Writes the file. Throws std::runtime_error where it can't be written.
  void draw() const;

private:
  struct line {
    std::string name;
    std::vector<std::pair<seconds, double>> points;
  };
  struct shade {
    seconds from;
    seconds to;
    std::string what;
  };

  std::string folder_; // empty: not wanted
  std::string name_;
  std::string title_;
  std::string values_;
  std::vector<line> lines_;
  std::vector<shade> shades_;

  [[nodiscard]] std::string drawn() const;
};

} // namespace bulwark_effect

#pragma once

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace bulwark_tests {

/// Of JSON Schema what docs/openapi.json uses: types, enumerations, properties that are required or
/// that may be there, items, bounds, one of several, and references into the document.
class json_schema {
public:
  explicit json_schema(nlohmann::json document) : document_(std::move(document)) {}

  /// What of `value` isn't as the schema called `name` says, with its path; empty: all is.
  [[nodiscard]] std::vector<std::string> complaints(const nlohmann::json& value,
                                                    const std::string& name) const {
    std::vector<std::string> result;
    check(value, document_["components"]["schemas"].at(name), name, result);
    return result;
  }

  [[nodiscard]] const nlohmann::json& document() const { return document_; }

private:
  using json = nlohmann::json;
  json document_;

  static bool is_type(const json& value, const std::string& type) {
    return (type == "object" && value.is_object()) || (type == "array" && value.is_array())
           || (type == "string" && value.is_string()) || (type == "boolean" && value.is_boolean())
           || (type == "integer" && value.is_number_integer())
           || (type == "number" && value.is_number()) || (type == "null" && value.is_null());
  }

  void check(const json& value, const json& schema, const std::string& path,
             std::vector<std::string>& result) const {
    if (schema.contains("$ref"))
      return check(value,
                   document_.at(json::json_pointer{schema["$ref"].get<std::string>().substr(1)}),
                   path, result);
    if (schema.contains("oneOf")) {
      const auto fits = [&](const json& each) {
        std::vector<std::string> wrong;
        check(value, each, path, wrong);
        return wrong.empty();
      };
      if (std::count_if(schema["oneOf"].begin(), schema["oneOf"].end(), fits) != 1)
        result.push_back(path + " is not one of what it may be: " + value.dump());
      return;
    }
    if (schema.contains("type")) {
      const auto types = schema["type"].is_array() ? schema["type"] : json::array({schema["type"]});
      if (std::none_of(types.begin(), types.end(),
                       [&](const auto& each) { return is_type(value, each); }))
        return result.push_back(path + " is no " + types.dump() + ": " + value.dump());
    }
    if (schema.contains("enum")
        && std::count(schema["enum"].begin(), schema["enum"].end(), value) == 0)
      result.push_back(path + " is none of " + schema["enum"].dump() + ": " + value.dump());
    if (value.is_number() && schema.contains("minimum") && value < schema["minimum"])
      result.push_back(path + " is too small: " + value.dump());
    if (value.is_array() && schema.contains("items"))
      for (const auto& each : value)
        check(each, schema["items"], path + "[]", result);
    if (value.is_object())
      check_object(value, schema, path, result);
  }

  void check_object(const json& value, const json& schema, const std::string& path,
                    std::vector<std::string>& result) const {
    for (const auto& name : schema.value("required", json::array()))
      if (!value.contains(name))
        result.push_back(path + " has no " + name.get<std::string>());
    const auto properties = schema.value("properties", json::object());
    for (const auto& [name, each] : value.items()) {
      if (properties.contains(name))
        check(each, properties[name], path + '.' + name, result);
      else if (!schema.value("additionalProperties", json(true)))
        result.push_back(path + " has " + name + ", which nothing says");
    }
  }
};

} // namespace bulwark_tests

// The files of common/schema, as the build embedded them: definitions.json first, then one a task kind.
// Constant; any thread.
#pragma once

#include <string_view>
#include <vector>

namespace ns::schema {

struct SchemaText {
  std::string_view name;  // "quantize"
  std::string_view json;
};

const std::vector<SchemaText>& schema_texts();

}  // namespace ns::schema

# Writes OUTPUT: a C++ file that holds the text of every file of SCHEMAS. Run by the build.
set(text "// Generated from common/schema/*.json.\n#include \"common/schema/schema_texts.h\"\n\nnamespace ns::schema {\n\n")
set(entries "")
foreach(file ${SCHEMAS})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} content)
  # A [ or ; in the content is safe: it is only ever quoted.
  string(APPEND entries "      {\"${name}\", R\"schema(${content})schema\"},\n")
endforeach()
string(APPEND text "const std::vector<SchemaText>& schema_texts() {\n  static const std::vector<SchemaText> texts = {\n${entries}  };\n  return texts;\n}\n\n}  // namespace ns::schema\n")
file(WRITE ${OUTPUT} "${text}")

// Models from strangers: what is wrong is refused with a reason, and nothing is allocated on their word.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "common/error.h"
#include "kernels/onnx/limits.h"
#include "kernels/onnx/onnx.h"
#include "onnx_schema.pb.h"

namespace ns::onnx {
namespace {

namespace fs = std::filesystem;
namespace schema = onnx_schema;

void set_type(schema::ValueInfoProto& info, const std::string& name) {
  info.set_name(name);
  auto* tensor = info.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(schema::TensorProto::FLOAT);
  tensor->mutable_shape()->add_dim()->set_dim_value(2);
}

schema::NodeProto& add_node(schema::GraphProto& graph, const std::string& type, const std::string& in,
                            const std::string& out) {
  schema::NodeProto& node = *graph.add_node();
  node.set_op_type(type);
  node.add_input(in);
  node.add_output(out);
  return node;
}

// x [2] + w [2] -> y -> Relu -> z
schema::ModelProto small_model() {
  schema::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(13);
  schema::GraphProto& graph = *model.mutable_graph();
  graph.set_name("g");
  set_type(*graph.add_input(), "x");
  set_type(*graph.add_output(), "z");
  schema::TensorProto& w = *graph.add_initializer();
  w.set_name("w");
  w.set_data_type(schema::TensorProto::FLOAT);
  w.add_dims(2);
  w.add_float_data(1);
  w.add_float_data(2);
  add_node(graph, "Add", "x", "y").add_input("w");
  add_node(graph, "Relu", "y", "z");
  return model;
}

graph::Graph read(const schema::ModelProto& model) { return read_bytes(model.SerializeAsString()); }

void expect_error(ErrorCode code, const std::string& part, const std::function<void()>& function) {
  try {
    function();
    ADD_FAILURE() << "nothing was thrown, expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

void expect_refused(ErrorCode code, const std::string& part, const std::function<void(schema::ModelProto&)>& change) {
  schema::ModelProto model = small_model();
  change(model);
  expect_error(code, part, [&] { read(model); });
}

TEST(Reader, reads_a_small_model) {
  const graph::Graph graph = read(small_model());
  EXPECT_EQ(graph.opset(), 13);
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0].name, "Add_1");
  EXPECT_EQ(graph.value(graph.find("w")).constant.values<float>()[1], 2);
}

TEST(Reader, initializers_listed_as_inputs_are_constants) {
  schema::ModelProto model = small_model();
  model.set_ir_version(3);
  set_type(*model.mutable_graph()->add_input(), "w");
  EXPECT_EQ(read(model).inputs.size(), 1u);
}

TEST(Reader, nodes_may_come_in_any_order) {
  schema::ModelProto model = small_model();
  model.mutable_graph()->mutable_node()->SwapElements(0, 1);
  EXPECT_EQ(read(model).nodes[0].op_type, "Add");
}

TEST(Reader, repeated_node_names_are_made_unique) {
  schema::ModelProto model = small_model();
  for (auto& node : *model.mutable_graph()->mutable_node()) node.set_name("same");
  const graph::Graph graph = read(model);
  EXPECT_NE(graph.nodes[0].name, graph.nodes[1].name);
}

TEST(Reader, every_numeric_type_is_read_from_its_field) {
  schema::ModelProto model = small_model();
  const auto add = [&](const std::string& name, int type) {
    schema::TensorProto& tensor = *model.mutable_graph()->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    return &tensor;
  };
  add("int8", schema::TensorProto::INT8)->add_int32_data(-5);
  add("half", schema::TensorProto::FLOAT16)->add_int32_data(0x3C00);
  add("bool", schema::TensorProto::BOOL)->add_int32_data(7);
  add("uint32", schema::TensorProto::UINT32)->add_uint64_data(4000000000u);
  add("double", schema::TensorProto::DOUBLE)->add_double_data(0.5);
  add("raw bool", schema::TensorProto::BOOL)->set_raw_data("\x05");
  const graph::Graph graph = read(model);
  const auto tensor = [&](const char* name) { return graph.value(graph.find(name)).constant; };
  EXPECT_EQ(tensor("int8").values<std::int8_t>()[0], -5);
  EXPECT_EQ(static_cast<const std::uint16_t*>(tensor("half").bytes())[0], 0x3C00);
  EXPECT_EQ(static_cast<const std::uint8_t*>(tensor("bool").bytes())[0], 1);
  EXPECT_EQ(tensor("uint32").values<std::uint32_t>()[0], 4000000000u);
  EXPECT_EQ(tensor("double").values<double>()[0], 0.5);
  EXPECT_EQ(static_cast<const std::uint8_t*>(tensor("raw bool").bytes())[0], 1);
}

TEST(Reader, what_is_not_onnx_is_refused) {
  expect_error(ErrorCode::invalid, "not an ONNX model", [] { read_bytes("certainly not"); });
  expect_error(ErrorCode::invalid, "not an ONNX model", [] { read_bytes(""); });
  const std::string bytes = small_model().SerializeAsString();
  expect_error(ErrorCode::invalid, "not an ONNX model", [&] { read_bytes(bytes.substr(0, bytes.size() - 3)); });
}

TEST(Reader, a_cycle_is_refused) {
  expect_refused(ErrorCode::invalid, "cycle",
                 [](auto& model) { model.mutable_graph()->mutable_node(0)->set_input(0, "z"); });
}

TEST(Reader, an_input_that_nothing_makes_is_refused) {
  expect_refused(ErrorCode::invalid, "ghost",
                 [](auto& model) { model.mutable_graph()->mutable_node(0)->set_input(0, "ghost"); });
}

TEST(Reader, values_made_twice_are_refused) {
  expect_refused(ErrorCode::invalid, "made twice",
                 [](auto& model) { model.mutable_graph()->mutable_node(1)->set_output(0, "y"); });
}

TEST(Reader, two_initializers_of_one_name_are_refused) {
  expect_refused(ErrorCode::invalid, "'w'",
                 [](auto& model) { *model.mutable_graph()->add_initializer() = model.graph().initializer(0); });
}

TEST(Reader, truncated_tensors_are_refused) {
  const auto weights = [](schema::ModelProto& model) { return model.mutable_graph()->mutable_initializer(0); };
  expect_refused(ErrorCode::invalid, "'w'", [&](auto& model) { weights(model)->mutable_float_data()->RemoveLast(); });
  expect_refused(ErrorCode::invalid, "'w'", [&](auto& model) {
    weights(model)->clear_float_data();
    weights(model)->set_raw_data("1234567");
  });
  expect_refused(ErrorCode::invalid, "'w'", [&](auto& model) {
    weights(model)->clear_float_data();
    weights(model)->set_raw_data("123456789");
  });
}

TEST(Reader, bad_dimensions_are_refused) {
  const auto with_dim = [](std::int64_t dim) {
    return [dim](schema::ModelProto& model) { model.mutable_graph()->mutable_initializer(0)->set_dims(0, dim); };
  };
  expect_refused(ErrorCode::invalid, "negative", with_dim(-2));
  expect_refused(ErrorCode::invalid, "'w'", with_dim(std::int64_t{1} << 61));
  expect_refused(ErrorCode::invalid, "'w'", with_dim(std::int64_t{1} << 36));
  expect_refused(ErrorCode::invalid, "-7", [](auto& model) {
    model.mutable_graph()
        ->mutable_input(0)
        ->mutable_type()
        ->mutable_tensor_type()
        ->mutable_shape()
        ->mutable_dim(0)
        ->set_dim_value(-7);
  });
}

TEST(Reader, values_that_do_not_fit_their_type_are_refused) {
  expect_refused(ErrorCode::invalid, "300", [](auto& model) {
    schema::TensorProto& tensor = *model.mutable_graph()->add_initializer();
    tensor.set_name("t");
    tensor.set_data_type(schema::TensorProto::UINT8);
    tensor.add_int32_data(300);
  });
}

TEST(Reader, strings_functions_and_sequences_are_not_supported) {
  expect_refused(ErrorCode::unsupported, "strings", [](auto& model) {
    model.mutable_graph()->mutable_initializer(0)->set_data_type(schema::TensorProto::STRING);
  });
  expect_refused(ErrorCode::unsupported, "my_function",
                 [](auto& model) { model.add_functions()->set_name("my_function"); });
  expect_refused(ErrorCode::unsupported, "'x'",
                 [](auto& model) { model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_sequence_type(); });
  expect_refused(ErrorCode::unsupported, "99",
                 [](auto& model) { model.mutable_graph()->mutable_initializer(0)->set_data_type(99); });
}

TEST(Reader, versions_are_checked) {
  expect_refused(ErrorCode::unsupported, "ir_version", [](auto& model) { model.set_ir_version(2); });
  expect_refused(ErrorCode::unsupported, "ir_version", [](auto& model) { model.set_ir_version(999); });
  expect_refused(ErrorCode::invalid, "operator set", [](auto& model) { model.clear_opset_import(); });
  expect_refused(ErrorCode::invalid, "imported as", [](auto& model) { model.add_opset_import()->set_version(9); });
  expect_refused(ErrorCode::invalid, "version", [](auto& model) { model.mutable_opset_import(0)->set_version(-1); });
}

TEST(Reader, attributes_are_checked) {
  expect_refused(ErrorCode::invalid, "twice", [](auto& model) {
    for (int i = 0; i < 2; ++i) {
      auto* attribute = model.mutable_graph()->mutable_node(0)->add_attribute();
      attribute->set_name("axis");
      attribute->set_type(schema::AttributeProto::INT);
    }
  });
  expect_refused(ErrorCode::invalid, "no tensor", [](auto& model) {
    auto* attribute = model.mutable_graph()->mutable_node(0)->add_attribute();
    attribute->set_name("value");
    attribute->set_type(schema::AttributeProto::TENSOR);
  });
}

TEST(Reader, long_names_are_refused) {
  expect_refused(ErrorCode::too_large, "name", [](auto& model) {
    model.mutable_graph()->mutable_node(0)->set_name(std::string(limits::kMaxNameBytes + 1, 'n'));
  });
}

// A model with `depth` sub-graphs, one in the other.
schema::ModelProto nested(int depth) {
  schema::ModelProto model = small_model();
  schema::GraphProto* graph = model.mutable_graph();
  for (int i = 0; i < depth; ++i) {
    schema::NodeProto& node = add_node(*graph, "If", "x", "branch" + std::to_string(i));
    auto* attribute = node.add_attribute();
    attribute->set_name("then_branch");
    attribute->set_type(schema::AttributeProto::GRAPH);
    graph = attribute->mutable_g();
  }
  add_node(*graph, "Relu", "x", "inner");
  return model;
}

TEST(Reader, subgraphs_are_read_to_a_depth) {
  EXPECT_NO_THROW(read(nested(limits::kMaxSubgraphDepth)));
  expect_error(ErrorCode::too_large, "depth", [] { read(nested(limits::kMaxSubgraphDepth + 1)); });
  expect_error(ErrorCode::invalid, "nested deeper", [] { read(nested(200)); });
}

TEST(Reader, a_missing_file_is_not_found) {
  expect_error(ErrorCode::not_found, "nowhere.onnx", [] { read_file("/nonexistent/nowhere.onnx"); });
  expect_error(ErrorCode::invalid, "regular", [] { read_file("/tmp"); });
}

class ExternalData : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ns-external-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    outer_ = pattern;
    folder_ = outer_ / "model";
    fs::create_directories(folder_ / "sub");
    for (const fs::path& path : {folder_ / "w.bin", folder_ / "sub" / "w.bin", outer_ / "secret.bin"}) {
      std::ofstream(path, std::ios::binary).write("\0\0\0\0\0\0\x80\x3f\0\0\0\x40", 12);
    }
    fs::create_symlink(outer_ / "secret.bin", folder_ / "link.bin");
    fs::create_directory_symlink(outer_, folder_ / "linked");
  }
  void TearDown() override { fs::remove_all(outer_); }

  graph::Graph read(const std::string& location, const std::string& offset = "4", const std::string& length = "8") {
    schema::ModelProto model = small_model();
    schema::TensorProto& weights = *model.mutable_graph()->mutable_initializer(0);
    weights.clear_float_data();
    weights.set_data_location(schema::TensorProto::EXTERNAL);
    const auto add = [&](const char* key, const std::string& value) {
      auto* entry = weights.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    };
    add("location", location);
    add("offset", offset);
    if (!length.empty()) add("length", length);
    std::ofstream(folder_ / "model.onnx", std::ios::binary) << model.SerializeAsString();
    return read_file(folder_ / "model.onnx");
  }

  fs::path outer_, folder_;
};

TEST_F(ExternalData, is_read_from_the_models_folder) {
  for (const char* location : {"w.bin", "./w.bin", "sub/w.bin"}) {
    const graph::Graph graph = read(location);
    const graph::Tensor weights = graph.value(graph.find("w")).constant;
    EXPECT_EQ(weights.values<float>()[0], 1.0f) << location;
    EXPECT_EQ(weights.values<float>()[1], 2.0f) << location;
  }
  EXPECT_NO_THROW(read("w.bin", "4", ""));
}

TEST_F(ExternalData, outside_the_folder_is_refused) {
  for (const std::string& location :
       std::vector<std::string>{"../secret.bin", "sub/../../secret.bin", (outer_ / "secret.bin").string(), "link.bin",
                                "linked/secret.bin", "", ".", "sub", "missing.bin"}) {
    expect_error(ErrorCode::invalid, "external data", [&] { read(location); });
  }
}

TEST_F(ExternalData, places_outside_the_file_are_refused) {
  expect_error(ErrorCode::invalid, "behind", [&] { read("w.bin", "8"); });
  expect_error(ErrorCode::invalid, "behind", [&] { read("w.bin", "18446744073709551615"); });
  expect_error(ErrorCode::invalid, "does not fit", [&] { read("w.bin", "0", "4"); });
  expect_error(ErrorCode::invalid, "number", [&] { read("w.bin", "-4"); });
}

TEST_F(ExternalData, has_no_place_in_bytes) {
  read("w.bin");
  std::ifstream file(folder_ / "model.onnx", std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  expect_error(ErrorCode::invalid, "folder", [&] { read_bytes(bytes); });
}

}  // namespace
}  // namespace ns::onnx

// Layout: how the numbers of a tensor lie in memory; row-major, channels last, or a blocked form that oneDNN chose.
// An immutable value; any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "kernels/graph/tensor.h"

namespace ns::onednn {

class Layout {
 public:
  Layout() = default;  // none

  static Layout plain(graph::ElementType, const graph::Shape&);          // row-major
  static Layout channels_last(graph::ElementType, const graph::Shape&);  // axis 1 innermost

  bool defined() const { return form_ != nullptr; }
  graph::ElementType type() const;
  std::size_t bytes() const;  // padding included
  bool is_row_major() const;  // the bytes are those of a plain tensor, whatever the form is called
  bool is_padded() const;     // more room than numbers: bytes that must stay zero
  bool is_channels_last() const;
  std::string describe() const;  // "float32 aBcd16b [1, 64, 56, 56]"

  // Bytes of one may be read as the other.
  bool same_bytes(const Layout&) const;

  struct Form;  // known to kernels/onednn alone
  explicit Layout(std::shared_ptr<const Form> form) : form_(std::move(form)) {}
  const Form& form() const { return *form_; }

 private:
  std::shared_ptr<const Form> form_;
};

}  // namespace ns::onednn

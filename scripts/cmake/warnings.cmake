# Warnings as an INTERFACE target, linked PRIVATE by every target of ours.
add_library(ns_warnings INTERFACE)
target_compile_options(ns_warnings INTERFACE
  -Wall -Wextra -Wpedantic $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local> -Wnon-virtual-dtor -Woverloaded-virtual
  -Werror=return-type)

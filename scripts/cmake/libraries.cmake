# Every library from Debian that the product links, as one target a library.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(TBB REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Protobuf REQUIRED)
find_package(OpenMP REQUIRED)

# msgpack-c: header-only; without this it wants Boost.
add_library(ns_msgpack INTERFACE)
target_compile_definitions(ns_msgpack INTERFACE MSGPACK_NO_BOOST)

pkg_check_modules(zmq REQUIRED IMPORTED_TARGET libzmq)
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(hwloc REQUIRED IMPORTED_TARGET hwloc)
pkg_check_modules(libzip REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(yaml_cpp REQUIRED IMPORTED_TARGET yaml-cpp)

# The CMake file that Debian's oneDNN ships does not load.
find_library(DNNL_LIBRARY dnnl REQUIRED)
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp REQUIRED)
add_library(ns_dnnl INTERFACE)
target_include_directories(ns_dnnl SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(ns_dnnl INTERFACE ${DNNL_LIBRARY} OpenMP::OpenMP_CXX)

# Brokers with one defect each, made from the text of the function library, to see that the checker finds it. Never
# installed, used by these tests only.
#
#   ns_add_mutant(NAME PROMISE (TEXT REPLACEMENT)…)    the broker ns-broker-mutant-NAME, and the test that a round with it
#                                                      finds PROMISE (see checker.h) broken
#
# Each TEXT must be in the library exactly once: who changes it there is told here.
add_library(mutant_main OBJECT ${CMAKE_SOURCE_DIR}/broker/main.cpp)
target_link_libraries(mutant_main PRIVATE ns_warnings ns_broker CLI11::CLI11)
target_compile_definitions(mutant_main PRIVATE NS_VERSION="${PROJECT_VERSION}")

function(ns_add_mutant name promise)
  file(READ ${CMAKE_BINARY_DIR}/broker/store/library.cpp library)
  list(LENGTH ARGN words)
  math(EXPR last "${words} - 1")
  foreach(text_at RANGE 0 ${last} 2)
    math(EXPR replacement_at "${text_at} + 1")
    list(GET ARGN ${text_at} text)
    list(GET ARGN ${replacement_at} replacement)
    string(REPLACE "${text}" "" without "${library}")
    string(LENGTH "${library}" before)
    string(LENGTH "${without}" after)
    string(LENGTH "${text}" size)
    math(EXPR times "(${before} - ${after}) / ${size}")
    if(NOT times EQUAL 1)
      message(FATAL_ERROR "mutant ${name}: the function library has ${times} times (and must have once):\n${text}")
    endif()
    string(REPLACE "${text}" "${replacement}" library "${library}")
  endforeach()
  set(target ns-broker-mutant-${name})
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}.text "${library}")
  configure_file(${CMAKE_CURRENT_BINARY_DIR}/${name}.text ${CMAKE_CURRENT_BINARY_DIR}/library_${name}.cpp COPYONLY)
  # The library that the executable has itself goes before that of ns_broker.
  add_executable(${target} ${CMAKE_CURRENT_BINARY_DIR}/library_${name}.cpp)
  target_link_libraries(${target} PRIVATE ns_warnings mutant_main ns_broker)
  # Patient for less long than a round that heals: what a defect lost never ends.
  add_test(NAME Torture.finds_a_broker_that_${name}
    COMMAND torture --no-network --seconds 12 --patience 8 --real 0 --broker ${target} --expect ${promise})
  set_tests_properties(Torture.finds_a_broker_that_${name} PROPERTIES LABELS system TIMEOUT 300)
endfunction()

ns_add_mutant(commits_under_a_stale_token stale
  "  local expected = worker .. ' ' .. token .. ' '\n  if not lease or"
  "  local expected = string.match(lease or '', '^%S+ %d+ ') or ' '\n  if not lease or")
ns_add_mutant(commits_twice "ended once"
  "  for task, jobs in pairs(batch.unlease) do in_pieces('HDEL', leased_key(task), jobs) end" "")
ns_add_mutant(forgets_expired_leases lost
  "crash(batch, load_task(batch, job.task), job, 'lease expired, worker ' .. worker .. ' silent', 'stale')"
  "redis.call('ZREM', held_key(worker), id)")
ns_add_mutant(leases_a_job_again exclusive
  "redis.call('LPOP', ready_key(head.id), turn)" "redis.call('LRANGE', ready_key(head.id), 0, turn - 1)"
  "      if fields.state then token = nil end -- it was stopped before it began" "")
ns_add_mutant(leases_the_least_urgent_first priority
  "  for priority = 1, 3 do\n    local ring" "  for priority = 3, 1, -1 do\n    local ring")

#include "client/command_line.h"
#include "client/interrupt.h"

int main(int argc, char** argv) {
  ns::client::catch_interrupts();
  return ns::client::run_command_line(argc, argv);
}

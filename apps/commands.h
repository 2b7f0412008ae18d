// The commands of the program. Each is a function in a file of its own (chat_command.cc and so on)
// that parses its arguments, does its work and returns an exit code: kExitOk, kExitFailed or
// kExitWrongUse (console.h).
//
// argv[0] is the command's name; results go to stdout, everything else to stderr.
#pragma once

namespace facet::app {

int run_chat(int argc, char** argv);
int run_prompt(int argc, char** argv);
int run_serve(int argc, char** argv);
int run_inspect(int argc, char** argv);
int run_bench(int argc, char** argv);
int run_tokenize(int argc, char** argv);
int run_render(int argc, char** argv);
int run_parse(int argc, char** argv);
int run_logits(int argc, char** argv);

}  // namespace facet::app

# The fuzzers that need CAF.
set(fuzz_with_actors command_line configuration front_door messages)

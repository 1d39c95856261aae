# What a static executable with TandemPatch is built with. A script sources this file after common.sh:
#
#   static_options     options of 'swift build'
#
# shellcheck shell=bash

# The functions that are Swift's, not libc's: a static executable contains them, and the linker has to redirect their calls.
# shellcheck disable=SC2034  # the scripts read it
static_options=(--static-swift-stdlib)
for function in CFRunLoopGetCurrent CFRunLoopRunInMode CFRunLoopRun \
    dispatch_{sync,barrier_sync,async_and_wait,barrier_async_and_wait}{,_f}; do
    static_options+=(-Xlinker "--wrap=$function")
done

# cmake -DARCHIVE=... -DOUTPUT=... -DSYMBOLS=... -DAR=... -DLINKER=... -DOBJCOPY=... -P archive.cmake
#
# Makes one object of what the library needs out of the archive that cargo built, and leaves only shmds_* visible
# in it. As cargo builds it, the archive brings global names of the Rust runtime along, and a program could
# not link it beside another static library written in Rust.

if(EXISTS "${OUTPUT}" AND NOT "${ARCHIVE}" IS_NEWER_THAN "${OUTPUT}")
  return()
endif()

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

get_filename_component(folder "${OUTPUT}" DIRECTORY)
set(object "${folder}/shmds.o")
file(STRINGS "${SYMBOLS}" functions)
list(TRANSFORM functions PREPEND "--undefined=")
list(JOIN functions "\n" functions)
file(WRITE "${object}.functions" "${functions}\n")
# Bitcode of the Rust runtime beside its machine code: tools with a plugin for another LLVM choke on it. And who
# compiled what.
file(WRITE "${object}.script" "SECTIONS { /DISCARD/ : { *(.llvmbc) *(.llvmcmd) *(.comment) } }\n")

# A group of sections that another library has too would be left out, for all that is local in it by then.
run("${LINKER}" -r --force-group-allocation -T "${object}.script" -o "${object}"
    "@${object}.functions" "${ARCHIVE}")
run("${OBJCOPY}" --strip-debug --wildcard "--keep-global-symbol=shmds_*" "${object}")
file(REMOVE "${OUTPUT}")
run("${AR}" qcsD "${OUTPUT}" "${object}")
file(REMOVE "${object}" "${object}.functions" "${object}.script")

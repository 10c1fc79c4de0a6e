# cmake -DARCHIVE=... -DOUTPUT=... -DAR=... -DLINKER=... -DNM=... -DOBJCOPY=... -P archive.cmake
#
# Makes one object of what the library needs out of the archive that cargo built, and leaves only shmds_* visible
# in it. As cargo builds it, the archive brings global names of the Rust runtime along, and a program could
# not link it beside another static library written in Rust.

if(EXISTS "${OUTPUT}" AND NOT "${ARCHIVE}" IS_NEWER_THAN "${OUTPUT}")
  return()
endif()

function(run)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE said COMMAND_ERROR_IS_FATAL ANY)
  set(said "${said}" PARENT_SCOPE)
endfunction()

# Members without symbols are no error here.
execute_process(COMMAND "${NM}" --defined-only --extern-only "${ARCHIVE}"
                OUTPUT_VARIABLE said ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL " T shmds_[a-z0-9_]+" functions "${said}")
if(NOT functions)
  # Bitcode (-Clinker-plugin-lto): the linker that puts the program together has to see it as it is.
  message(STATUS "${ARCHIVE} has no machine code of libshmds; it is taken as it is")
  configure_file("${ARCHIVE}" "${OUTPUT}" COPYONLY)
  return()
endif()
list(TRANSFORM functions REPLACE " T " "--undefined=")
list(JOIN functions "\n" functions)
string(REGEX REPLACE "libshmds\\.a$" "shmds.o" object "${OUTPUT}")
file(WRITE "${object}.functions" "${functions}\n")

# A group of sections that another library has too would be left out, for all that is local in it by then.
run("${LINKER}" -r --force-group-allocation -o "${object}" "@${object}.functions" "${ARCHIVE}")
run("${OBJCOPY}" --strip-debug --wildcard "--keep-global-symbol=shmds_*" "${object}")
file(REMOVE "${OUTPUT}")
run("${AR}" qcsD "${OUTPUT}" "${object}")
file(REMOVE "${object}" "${object}.functions")

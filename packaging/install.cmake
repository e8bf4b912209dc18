# What `cmake --install` puts where, in the components oobd, oob-agent, oob-etherconsole and oob-client: those are the
# packages, too.
# Paths follow GNUInstallDirs; configuration goes to /etc/oob when the prefix is /usr.
include(GNUInstallDirs)

set(OOB_UNITS ${CMAKE_INSTALL_PREFIX}/lib/systemd/system CACHE PATH "where systemd units go")
set(OOB_SYSUSERS ${CMAKE_INSTALL_PREFIX}/lib/sysusers.d CACHE PATH "where sysusers.d files go")
set(OOB_ETC ${CMAKE_INSTALL_FULL_SYSCONFDIR}/oob)

add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/man/oob.1
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/man
  COMMAND oob-manual < ${CMAKE_SOURCE_DIR}/docs/man/oob.1.in > ${CMAKE_BINARY_DIR}/man/oob.1
  DEPENDS oob-manual ${CMAKE_SOURCE_DIR}/docs/man/oob.1.in)
add_custom_target(man ALL DEPENDS ${CMAKE_BINARY_DIR}/man/oob.1)

# Units name the programs by their full paths: those of this prefix.
foreach(unit oobd oob-agent oob-etherconsole@)
  file(READ packaging/systemd/${unit}.service text)
  string(REPLACE "/usr/sbin/" "${CMAKE_INSTALL_FULL_SBINDIR}/" text "${text}")
  string(REPLACE "/etc/oob/" "${OOB_ETC}/" text "${text}")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/systemd/${unit}.service CONTENT "${text}" @ONLY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/packaging/systemd/${unit}.service)
endforeach()

function(oob_install component)
  install(${ARGN} COMPONENT ${component})
endfunction()

oob_install(oobd TARGETS oobd RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
oob_install(oobd FILES etc/oobd.toml DESTINATION ${OOB_ETC})
oob_install(oobd DIRECTORY DESTINATION ${OOB_ETC}/inventory.d)
oob_install(oobd FILES etc/inventory.d/example.toml DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/oobd/examples)
oob_install(oobd DIRECTORY etc/profiles.d DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/oobd)
oob_install(oobd FILES schema/rest.openapi.yaml schema/stream.md docs/LOG-FORMAT.md docs/SECURITY.md docs/LINES.md
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/oobd)
oob_install(oobd FILES docs/man/oobd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
oob_install(oobd FILES docs/man/oobd.toml.5 docs/man/oob-inventory.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
oob_install(oobd FILES ${CMAKE_BINARY_DIR}/systemd/oobd.service DESTINATION ${OOB_UNITS})
oob_install(oobd FILES packaging/systemd/oobd.sysusers DESTINATION ${OOB_SYSUSERS} RENAME oobd.conf)

oob_install(oob-agent TARGETS oob-agent RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
oob_install(oob-agent FILES etc/agent.toml DESTINATION ${OOB_ETC})
oob_install(oob-agent FILES docs/LINES.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/oob-agent)
oob_install(oob-agent FILES docs/man/oob-agent.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
oob_install(oob-agent FILES docs/man/oob-agent.toml.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
oob_install(oob-agent FILES ${CMAKE_BINARY_DIR}/systemd/oob-agent.service DESTINATION ${OOB_UNITS})

oob_install(oob-etherconsole TARGETS oob-etherconsole RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
oob_install(oob-etherconsole FILES docs/etherconsole.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/oob-etherconsole)
oob_install(oob-etherconsole FILES docs/man/oob-etherconsole.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
oob_install(oob-etherconsole FILES ${CMAKE_BINARY_DIR}/systemd/oob-etherconsole@.service DESTINATION ${OOB_UNITS})

oob_install(oob-client TARGETS oob RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
oob_install(oob-client FILES docs/COMMANDS.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/oob-client)
oob_install(oob-client FILES ${CMAKE_BINARY_DIR}/man/oob.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
oob_install(oob-client FILES packaging/completion/oob.bash RENAME oob
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
oob_install(oob-client FILES packaging/completion/_oob DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
oob_install(oob-client FILES packaging/completion/oob.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

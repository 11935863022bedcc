package startup

//go:generate go tool bpf2go -target amd64,arm64 -go-package startup -no-global-types -type startup_record -type moment_record -type operand_record -type counters -type point -type record_kind -type operand_kind bpf startup.bpf.c -- -mcpu=v3 -Wall -Werror

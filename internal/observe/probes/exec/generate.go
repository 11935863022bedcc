package exec

//go:generate go tool bpf2go -target amd64,arm64 -go-package exec -no-global-types -type usage -type file_id -type record_head -type fork_record -type exec_record -type exit_record -type reap_record -type refused_record -type pipe_record -type record_kind -type record_flags bpf exec.bpf.c -- -mcpu=v3 -Wall -Werror

package tcp

//go:generate go tool bpf2go -target amd64,arm64 -go-package tcp -no-global-types -type tcp_record -type record_kind -type record_flags -type conn_role bpf tcp.bpf.c -- -mcpu=v3 -Wall -Werror

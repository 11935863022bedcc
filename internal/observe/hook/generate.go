package hook

//go:generate go tool bpf2go -target amd64,arm64 -go-package hook -no-global-types -type counts -type frame -type frame_key bpf hook.bpf.c -- -mcpu=v3 -Wall -Werror

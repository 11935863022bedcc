package hook

//go:generate go tool bpf2go -target amd64,arm64 -go-package hook -no-global-types -type counts -type frame -type frame_key -type plan -type slot -type value -type sample_entry -type sample_exit bpf hook.bpf.c -- -mcpu=v3 -Wall -Werror

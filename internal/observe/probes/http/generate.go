package http

//go:generate go tool bpf2go -target amd64,arm64 -go-package http -no-global-types -type layout -type goroutine -type request -type errand -type tally -type mux_use -type series_key -type http_record -type outcome -type method -type role -type route_kind -type map_kind -type pattern_kind bpf http.bpf.c -- -mcpu=v3 -Wall -Werror

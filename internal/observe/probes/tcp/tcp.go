package tcp

import (
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// socketsEvery is how often open files are looked through for sockets that
// changed hands.
const socketsEvery = 30 * time.Second

// Spec returns the tcp probe.
func Spec() *probe.Spec {
	return &probe.Spec{
		Name:    "tcp",
		Summary: "TCP connections: connect latency and failures, retransmits and resets by peer",
		Needs: []probe.Need{
			{What: "privilege", Check: platform.CheckPrivilege, Hint: "run as root, or grant CAP_BPF and CAP_PERFMON"},
			{What: "kernel BTF", Check: platform.CheckBTF, Hint: "use a kernel built with CONFIG_DEBUG_INFO_BTF"},
			{What: "a kernel of 5.17 or later", Check: func() error { return platform.CheckKernel(5, 17) }, Hint: "older kernels are not tested"},
		},
		Attach: []probe.AttachPoint{
			{Program: "tcp_state", Target: "sock:inet_sock_set_state", Required: true},
			{Program: "tcp_retransmit", Target: "tcp:tcp_retransmit_skb", Missing: "retransmits of accepted connections; those of others are told at their end"},
			{Program: "tcp_reset_received", Target: "tcp:tcp_receive_reset", Missing: "resets by the peer"},
			{Program: "tcp_reset_sent", Target: "tcp:tcp_send_reset", Missing: "resets by this host"},
			{Program: "tcp_sockets", Kind: probe.TaskIterator, Target: "iter:task_file", Every: socketsEvery, Missing: "the processes of connections and listeners older than the probe"},
		},
		Schema:     Schema(),
		Load:       loadBpf,
		Shared:     []string{"layouts", "requests", "errands", "finished"},
		NewDecoder: newDecoder,
	}
}

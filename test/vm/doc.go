// Package vm runs Goshawk on kernels other than this machine's: it boots each
// in a virtual machine, without a disk and without a network, and checks what
// Goshawk says there.
//
// What comes in is a folder of kernel images, GOSHAWK_VM_KERNELS, which
// test/vm/kernels fills from Debian and Ubuntu packages, and a static busybox.
// The stages: build goshawk and the two programs below; pack them into an
// initial file system; boot each kernel in QEMU under software emulation, which
// works the same on every machine; read what the guest wrote to its second
// serial port; compare with what the victim did. What goes out are test results
// and, in the log, a table of kernels.
//
// It refuses to install anything and to guess: a kernel that does not finish
// in time is a failure with the end of its console.
//
// It takes minutes, so its test has the build tag vm and runs by
// `make test-vm` only.
package vm

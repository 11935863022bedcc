// Package script runs the real command line by scripts: testdata/plain needs
// nothing, testdata/bpf needs root and a kernel with BTF.
//
// Besides the commands of testscript there are
//
//	observed file             run commands until file, a watch's output, has some
//	appears file regexp...    wait until each matches a line of file
//	code N command [arg...]   run command and expect the exit code N
//	jsonl file               every line of file is a JSON object
package script

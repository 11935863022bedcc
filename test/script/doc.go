// Package script runs the real command line by scripts: testdata/plain needs
// nothing, testdata/bpf needs root and a kernel with BTF.
//
// Besides the commands of testscript there are
//
//	code N command [arg...]   run command and expect the exit code N
//	jsonl file               every line of file is a JSON object
package script

// Package doctor judges what commonly goes wrong around Go programs: the
// environment of the go command, an executable, a running process.
//
// What comes in: variables and files of settings of the go command, folders of
// PATH, go.mod and go.work, answers of GOPROXY and GOSUMDB ([GatherEnvironment]);
// an executable that package inspect has opened ([GatherBinary]); /proc, control
// groups of both versions and, where it is told one, a pprof endpoint
// ([GatherProcess]).
//
// The stages:
//
//   - gathering fills an [Evidence], a value without behaviour, and writes down what
//     could not be read, and why, as [Unseen];
//   - [Diagnose], a pure function, asks each of [Rules], which are data;
//   - rules that package startup has for the same thing are asked there.
//
// What goes out: findings, the most severe first, each with numbers and a remedy.
//
// What it refuses to do: to run the go command or any other program, to change
// anything, to read more of a process's environment than the variables that Go's
// runtime obeys, to send credentials of a GOPROXY anywhere or to repeat them, and to
// guess where nothing was seen.
package doctor

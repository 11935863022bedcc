// Package cgroup finds the control groups of a process in versions 1 and 2 of the
// hierarchy, and reads the CPU quotas that they set and how often those stopped it.
//
// What comes in: /proc/PID/cgroup, the mounts of this process and files of groups.
// Stages: take the group of a controller, find where its hierarchy is mounted, walk up
// to what is mounted; parse files. What goes out: folders and numbers. It does not
// sample: whoever wants a difference reads twice. It changes nothing, and knows nothing
// of containers or pods: internal/observe/target names those.
package cgroup

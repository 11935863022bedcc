package target

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	idA = "3f2504e04f8964d39a0c0305e82c3301a1b2c3d4e5f60718293a4b5c6d7e8f90"
	idB = "9b74c9897bac770ffc029102a200c5de4f0e1d2c3b4a59687786958473625140"
)

func TestParseCgroup(t *testing.T) {
	tests := []struct {
		listing string
		want    Placement
	}{
		{"v2-root", Placement{Path: "/"}},
		{"v2-user-session", Placement{Path: "/user.slice/user-1000.slice/session-3.scope"}},
		{"v2-service", Placement{Path: "/system.slice/shop.service"}},
		{"v1-root", Placement{Path: "/"}},
		{"hybrid-service", Placement{Path: "/system.slice/shop.service"}},
		{"hybrid-v1-only-memory", Placement{Path: "/jobs/a"}},
		{"docker-v1-cgroupfs", Placement{Path: "/docker/" + idA, ContainerID: idA}},
		{"docker-hybrid-v1-names-it", Placement{Path: "/docker/" + idA, ContainerID: idA}},
		{"docker-v2-systemd", Placement{Path: "/system.slice/docker-" + idA + ".scope", ContainerID: idA}},
		{"docker-v2-systemd-inside", Placement{Path: "/system.slice/docker-" + idA + ".scope/init.scope", ContainerID: idA}},
		{"docker-v2-removed", Placement{Path: "/docker/" + idA, ContainerID: idA}},
		{"docker-in-docker-cgroupfs", Placement{Path: "/docker/" + idA + "/docker/" + idB, ContainerID: idB}},
		{"docker-in-docker-systemd", Placement{Path: "/system.slice/docker-" + idA + ".scope/system.slice/docker-" + idB + ".scope", ContainerID: idB}},
		{"docker-outside-of-namespace", Placement{Path: "/../" + idB, ContainerID: idB}},
		{"kubepods-cgroupfs-guaranteed", Placement{Path: "/kubepods/pod1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed/" + idA, ContainerID: idA, PodUID: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}},
		{"kubepods-systemd-guaranteed", Placement{Path: "/kubepods.slice/kubepods-pod1b9d6bcd_bbfd_4b2d_9b5d_ab8dfbbd4bed.slice/cri-containerd-" + idA + ".scope", ContainerID: idA, PodUID: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}},
		{"kubepods-cgroupfs-burstable", Placement{Path: "/kubepods/burstable/pod1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed/" + idA, ContainerID: idA, PodUID: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}},
		{"kubepods-systemd-burstable", Placement{Path: "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1b9d6bcd_bbfd_4b2d_9b5d_ab8dfbbd4bed.slice/cri-containerd-" + idA + ".scope", ContainerID: idA, PodUID: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}},
		{"kubepods-cgroupfs-besteffort", Placement{Path: "/kubepods/besteffort/pod1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed/" + idA, ContainerID: idA, PodUID: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}},
		{"kubepods-systemd-besteffort", Placement{Path: "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1b9d6bcd_bbfd_4b2d_9b5d_ab8dfbbd4bed.slice/cri-containerd-" + idA + ".scope", ContainerID: idA, PodUID: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}},
		{"crio-static-pod", Placement{Path: "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podd41d8cd98f00b204e9800998ecf8427e.slice/crio-" + idA + ".scope", ContainerID: idA, PodUID: "d41d8cd98f00b204e9800998ecf8427e"}},
		{"crio-crun-subgroup", Placement{Path: "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1b9d6bcd_bbfd_4b2d_9b5d_ab8dfbbd4bed.slice/crio-" + idA + ".scope/container", ContainerID: idA, PodUID: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}},
		{"crio-monitor", Placement{Path: "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1b9d6bcd_bbfd_4b2d_9b5d_ab8dfbbd4bed.slice/crio-conmon-" + idA + ".scope", PodUID: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}},
		{"crio-cgroupfs", Placement{Path: "/kubepods/burstable/pod1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed/crio-" + idA, ContainerID: idA, PodUID: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}},
		{"containerd-colons", Placement{Path: "/system.slice/containerd.service/kubepods-burstable-pod1b9d6bcd_bbfd_4b2d_9b5d_ab8dfbbd4bed.slice:cri-containerd:" + idA, ContainerID: idA, PodUID: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}},
		{"kind-v1", Placement{Path: "/docker/" + idA + "/kubelet/kubepods/besteffort/pod1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed/" + idB, ContainerID: idB, PodUID: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}},
		{"kind-v2", Placement{Path: "/system.slice/docker-" + idA + ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod1b9d6bcd_bbfd_4b2d_9b5d_ab8dfbbd4bed.slice/cri-containerd-" + idB + ".scope", ContainerID: idB, PodUID: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}},
		{"docker-in-pod", Placement{Path: "/kubepods/burstable/pod1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed/" + idA + "/docker/" + idB, ContainerID: idB, PodUID: "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"}},
		{"podman-root-v2", Placement{Path: "/machine.slice/libpod-" + idA + ".scope/container", ContainerID: idA}},
		{"podman-rootless-v2", Placement{Path: "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + idA + ".scope", ContainerID: idA}},
		{"podman-pod", Placement{Path: "/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_" + idB + ".slice/libpod-" + idA + ".scope/container", ContainerID: idA}},
		{"podman-monitor", Placement{Path: "/machine.slice/libpod-conmon-" + idA + ".scope"}},
		{"podman-split-payload", Placement{Path: "/system.slice/web.service/libpod-payload-" + idA, ContainerID: idA}},
		{"podman-cgroupfs", Placement{Path: "/libpod_parent/libpod-" + idA, ContainerID: idA}},
		{"ecs-ec2", Placement{Path: "/ecs/d41d8cd98f00b204e9800998ecf8427e/" + idA, ContainerID: idA}},
		{"ecs-fargate", Placement{Path: "/ecs/d41d8cd98f00b204e9800998ecf8427e/d41d8cd98f00b204e9800998ecf8427e-2531612879", ContainerID: "d41d8cd98f00b204e9800998ecf8427e-2531612879"}},
		{"ecs-task-only", Placement{Path: "/ecs/d41d8cd98f00b204e9800998ecf8427e"}},
		{"lxc-payload", Placement{Path: "/lxc.payload.web-01/system.slice/nginx.service", ContainerID: "web-01"}},
		{"lxc-monitor", Placement{Path: "/lxc.monitor.web-01"}},
		{"lxc-v1", Placement{Path: "/lxc/101", ContainerID: "101"}},
		{"docker-in-lxc", Placement{Path: "/lxc/101/ns/system.slice/docker-" + idA + ".scope", ContainerID: idA}},
		{"damaged", Placement{Path: "/a"}},
		{"almost-ids", Placement{Path: "/docker/3f2504e04f8964d39a0c0305e82c3301a1b2c3d4e5f60718293a4b5c6d7e8f9/3F2504E04F8964D39A0C0305E82C3301A1B2C3D4E5F60718293A4B5C6D7E8F90/pod1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4be/kubepods-pod1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed.slice/docker-" + idA + ".scopes"}},
		{"empty", Placement{}},
	}
	for _, tt := range tests {
		t.Run(tt.listing, func(t *testing.T) {
			if got := ParseCgroup(cgroupListing(t, tt.listing)); got != tt.want {
				t.Errorf("ParseCgroup =\n%+v, want\n%+v", got, tt.want)
			}
		})
	}
	files, err := filepath.Glob(filepath.Join("testdata", "cgroup", "*.txt"))
	if err != nil || len(files) != len(tests) {
		t.Errorf("testdata has %d listings (%v), the table %d", len(files), err, len(tests))
	}
}

func cgroupListing(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "cgroup", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzParseCgroup(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "cgroup", "*.txt"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, listing []byte) {
		p := ParseCgroup(listing)
		if p.Path == "" && (p.ContainerID != "" || p.PodUID != "") {
			t.Errorf("%+v has no path", p)
		}
		if !strings.Contains(p.Path, p.ContainerID) {
			t.Errorf("%+v: the path does not name the container", p)
		}
		if n := len(p.PodUID); n != 0 && n != 32 && n != 36 {
			t.Errorf("%+v: a pod UID of %d characters", p, n)
		}
		if len(p.ContainerID) > 64 {
			t.Errorf("%+v: a container id of %d characters", p, len(p.ContainerID))
		}
	})
}

func BenchmarkParseCgroup(b *testing.B) {
	for _, name := range []string{"v2-service", "kubepods-systemd-burstable", "kind-v1"} {
		listing := cgroupListing(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ParseCgroup(listing)
			}
		})
	}
}

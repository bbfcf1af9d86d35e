package natstest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Disk is a real directory behind a file system that can be made slow, which no
// real disk is on command. Mounting it needs /dev/fuse and root.
type Disk struct {
	server *fuse.Server
	delay  atomic.Int64
	slowed atomic.Int64
}

// mount shows below dir/mount what is in dir/files.
func mount(dir string) (*Disk, string, error) {
	files, at := filepath.Join(dir, "files"), filepath.Join(dir, "mount")
	for _, d := range []string{files, at} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, "", err
		}
	}
	d := &Disk{}
	root, err := fs.NewLoopbackRoot(files)
	if err != nil {
		return nil, "", fmt.Errorf("a slow disk: %w", err)
	}
	d.server, err = fs.Mount(at, d.wrap(root), &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true}})
	if err != nil {
		return nil, "", fmt.Errorf("mount a slow disk on %s: %w", at, err)
	}
	return d, at, nil
}

// slowNode opens files of which each write and sync waits.
type slowNode struct {
	*fs.LoopbackNode
	disk *Disk
}

func (d *Disk) wrap(node fs.InodeEmbedder) fs.InodeEmbedder {
	return &slowNode{node.(*fs.LoopbackNode), d}
}

// WrapChild implements fs.NodeWrapChilder.
func (n *slowNode) WrapChild(_ context.Context, ops fs.InodeEmbedder) fs.InodeEmbedder {
	return n.disk.wrap(ops)
}

func (n *slowNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	f, fuseFlags, errno := n.LoopbackNode.Open(ctx, flags)
	return n.slow(f), fuseFlags, errno
}

func (n *slowNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	inode, f, fuseFlags, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	return inode, n.slow(f), fuseFlags, errno
}

func (n *slowNode) slow(f fs.FileHandle) fs.FileHandle {
	if file, ok := f.(*fs.LoopbackFile); ok {
		return &slowFile{file, n.disk}
	}
	return f
}

type slowFile struct {
	*fs.LoopbackFile
	disk *Disk
}

// PassthroughFd keeps the kernel from writing by itself.
func (f *slowFile) PassthroughFd() (int, bool) { return 0, false }

func (f *slowFile) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	f.disk.wait()
	return f.LoopbackFile.Write(ctx, data, off)
}

func (f *slowFile) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	f.disk.wait()
	return f.LoopbackFile.Fsync(ctx, flags)
}

func (d *Disk) wait() {
	if delay := d.delay.Load(); delay > 0 {
		d.slowed.Add(1)
		time.Sleep(time.Duration(delay))
	}
}

// MaySlowDisks reports whether this machine can have a slow disk: mounting one
// takes root and /dev/fuse.
func MaySlowDisks() bool {
	_, err := os.Stat("/dev/fuse")
	return err == nil && os.Geteuid() == 0
}

// ClusterOnSlowDisks is a Cluster each node of which has a disk that SlowDisk
// makes slow; a Cluster like any other where there can be none.
func ClusterOnSlowDisks(t testing.TB) *Nodes {
	t.Helper()
	if !MaySlowDisks() {
		return Cluster(t)
	}
	dir := t.TempDir()
	var disks [nodes]*Disk
	var dirs [nodes]string
	for i := range disks {
		disk, at, err := mount(filepath.Join(dir, fmt.Sprint("disk", i)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := disk.server.Unmount(); err != nil {
				t.Errorf("unmount %s: %v", at, err)
			}
		})
		disks[i], dirs[i] = disk, at
	}
	n, err := start(dirs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	n.disks = disks
	return n
}

// SlowDisk makes each write and sync of a node take that much longer, 0 for as
// fast as it is, and returns how many have waited so far.
func (n *Nodes) SlowDisk(i int, each time.Duration) (waited int64) {
	n.disks[i].delay.Store(int64(each))
	return n.disks[i].slowed.Load()
}

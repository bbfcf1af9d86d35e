package main

import (
	"github.com/segue-run/segue/backup"
	"github.com/segue-run/segue/compare"
	"github.com/segue-run/segue/datasync"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/exec"
	"github.com/segue-run/segue/driver/files"
	"github.com/segue-run/segue/driver/haproxy"
	"github.com/segue-run/segue/driver/host"
	"github.com/segue-run/segue/driver/nats"
	"github.com/segue-run/segue/driver/nginx"
	"github.com/segue-run/segue/driver/notify"
	"github.com/segue-run/segue/driver/postgres"
	"github.com/segue-run/segue/driver/process"
	"github.com/segue-run/segue/driver/prometheus"
	"github.com/segue-run/segue/driver/redis"
	"github.com/segue-run/segue/driver/web"
	"github.com/segue-run/segue/edge"
	"github.com/segue-run/segue/edge/shadow"
	"github.com/segue-run/segue/integrity"
	"github.com/segue-run/segue/journal/sqlite"
	"github.com/segue-run/segue/load"
)

// builtIn lists the drivers that are built in: a new system is a new folder
// under driver/ and one line here.
func builtIn() *driver.Catalog {
	c := &driver.Catalog{}
	c.Add(nats.Parts()...)
	c.Add(postgres.Parts()...)
	c.Add(redis.Parts()...)
	c.Add(prometheus.Parts()...)
	c.Add(process.Parts()...)
	c.Add(web.Parts()...)
	c.Add(exec.Parts()...)
	c.Add(files.Parts()...)
	c.Add(host.Parts()...)
	c.Add(edge.Parts()...)
	c.Add(shadow.Parts()...)
	c.Add(haproxy.Parts()...)
	c.Add(nginx.Parts()...)
	c.Add(notify.Parts()...)
	c.Add(compare.Parts()...)
	c.Add(load.Parts()...)
	c.Add(datasync.Parts()...)
	c.Add(integrity.Parts()...)
	c.Add(backup.Parts(sqlite.Copy)...)
	return c
}

package nginx

import (
	"flag"
	"os"
	"testing"
)

// The tests wait more than they work: for each reload NGINX takes a tenth of a
// second. So more of them go side by side than there are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

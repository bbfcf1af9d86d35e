package fleet

import (
	"strings"
	"testing"
)

func TestALimitThatCannotBeRaisedIsNamed(t *testing.T) {
	if err := AllowFiles(64); err != nil {
		t.Errorf("fewer than there are: %v", err)
	}
	const most = 1 << 40 // more than any kernel allows
	if err := AllowFiles(most); err == nil || !strings.Contains(err.Error(), "ulimit -Hn 1099511627776") {
		t.Errorf("error = %v", err)
	}
}

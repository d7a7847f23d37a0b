// Reads Kubernetes objects as GitOps tools do: a JSON array on standard input, an answer for each on standard output.
//
// kstatus is the library that Flux asks; Argo CD runs the health script named by the one argument, in the same
// interpreter, with the object as `obj`.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type answer struct {
	Kstatus string `json:"kstatus"`
	Message string `json:"message"`
	Argo    string `json:"argo"`
	Said    string `json:"said"`
}

func main() {
	var objects []map[string]any
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		fail(err)
	}
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		fail(err)
	}
	answers := []answer{}
	for _, object := range objects {
		found, err := read(object, string(script))
		if err != nil {
			fail(err)
		}
		answers = append(answers, found)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		fail(err)
	}
}

func read(object map[string]any, script string) (answer, error) {
	result, err := status.Compute(&unstructured.Unstructured{Object: whole(object).(map[string]any)})
	if err != nil {
		return answer{}, err
	}
	state := lua.NewState()
	defer state.Close()
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return answer{}, err
	}
	health, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return answer{}, fmt.Errorf("the health script returned no table")
	}
	return answer{
		Kstatus: string(result.Status),
		Message: result.Message,
		Argo:    lua.LVAsString(health.RawGetString("status")),
		Said:    lua.LVAsString(health.RawGetString("message")),
	}, nil
}

// whole makes whole numbers int64, as the API's own decoder does.
func whole(found any) any {
	switch found := found.(type) {
	case map[string]any:
		made := map[string]any{}
		for key, each := range found {
			made[key] = whole(each)
		}
		return made
	case []any:
		made := []any{}
		for _, each := range found {
			made = append(made, whole(each))
		}
		return made
	case float64:
		if found == float64(int64(found)) {
			return int64(found)
		}
	}
	return found
}

func value(state *lua.LState, found any) lua.LValue {
	switch found := found.(type) {
	case map[string]any:
		made := state.NewTable()
		for key, each := range found {
			made.RawSetString(key, value(state, each))
		}
		return made
	case []any:
		made := state.NewTable()
		for _, each := range found {
			made.Append(value(state, each))
		}
		return made
	case string:
		return lua.LString(found)
	case float64:
		return lua.LNumber(found)
	case bool:
		return lua.LBool(found)
	}
	return lua.LNil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

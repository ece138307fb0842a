package api

import (
	"errors"
	"fmt"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
	"github.com/kvitpay/kvit/server/fault"
)

// validator checks requests against the rules in the proto.
type validator struct{ rules protovalidate.Validator }

// newValidator compiles the rules of every request once, so that no call pays for it.
func newValidator() (*validator, error) {
	var requests []protoreflect.MessageDescriptor
	for _, file := range []protoreflect.FileDescriptor{
		kvitv1.File_kvit_v1_payment_service_proto, kvitv1.File_kvit_v1_callback_service_proto,
		kvitv1.File_kvit_v1_access_service_proto,
	} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				requests = append(requests, methods.Get(j).Input())
			}
		}
	}
	rules, err := protovalidate.New(protovalidate.WithMessageDescriptors(requests...), protovalidate.WithDisableLazy())
	if err != nil {
		return nil, fmt.Errorf("compile validation rules: %w", err)
	}
	return &validator{rules: rules}, nil
}

// check reports what is wrong with a request as a fault that names every field.
func (v *validator) check(message any) error {
	request, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("a request is a %T", message)
	}
	err := v.rules.Validate(request)
	if err == nil {
		return nil
	}
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return fmt.Errorf("validate request: %w", err)
	}
	fields := make([]fault.Field, len(invalid.Violations))
	for i, violation := range invalid.Violations {
		fields[i] = fault.Field{Path: pathOf(violation), Message: violation.Proto.GetMessage()}
	}
	return badRequest(fields...)
}

// pathOf is the field that a violation is about. Rules about several fields stand at the message; their
// ids begin with the field that is to be changed ("expires_in.one_expiry").
func pathOf(violation *protovalidate.Violation) string {
	if path := protovalidate.FieldPathString(violation.Proto.GetField()); path != "" {
		return path
	}
	id := violation.Proto.GetRuleId()
	if end := strings.LastIndexByte(id, '.'); end >= 0 {
		return id[:end]
	}
	return id
}

// badRequest is the fault of fields that are not as they must be.
func badRequest(fields ...fault.Field) error {
	message := "The request is not valid: " + fields[0].Path + " " + strings.TrimPrefix(fields[0].Message, "value ")
	if len(fields) > 1 {
		message += fmt.Sprintf(", and %d more", len(fields)-1)
	}
	return fault.New(fault.Invalid, fault.ReasonRequestInvalid, message+".", fault.WithFields(fields...))
}

"""Odd but valid PTX gives the right result; broken PTX gives its exit code and at most one line on standard error;
a long text takes no more processor time than its length asks for.
usage: odd_ptx.py SAMEBITS"""
import pathlib
import resource
import struct
import subprocess
import sys
import tempfile

ODD, BROKEN = [], []


def good(name, text, expected):  # what the 32 threads leave in o
    ODD.append((name, text, [v & 0xFFFFFFFF for v in expected]))


def bad(name, code, text):
    BROKEN.append((name, code, text))


H='.version 8.7\n.target sm_90\n.address_size 64\n'
def k(body,pre='',regs='.reg .b32 %r<20>;.reg .b64 %rd<20>;.reg .pred %p<8>;.reg .f32 %f<8>;.reg .f64 %d<4>;.reg .b16 %h<8>;',hdr=H):
    return hdr+pre+'\n.visible .entry k(.param .u64 o)\n{\n'+regs+'''
 ld.param.u64 %rd1,[o]; cvta.to.global.u64 %rd2,%rd1; mov.u32 %r1,%tid.x; mul.wide.u32 %rd3,%r1,4; add.s64 %rd4,%rd2,%rd3;
'''+body+'\n st.global.u32 [%rd4],%r2;\n ret;\n}\n'
T=range(32)
good('labels',k('bra C;\nB: add.u32 %r2,%r2,5; bra D;\nA: mov.u32 %r2,1; bra B;\nC: mov.u32 %r2,0; bra A;\nD:'),[6 for t in T])
good('shadow',k('mov.u32 %r2,7;\n{ .reg .b32 %r2; mov.u32 %r2,9; {.reg .b64 %r2; mov.u64 %r2,77; } add.u32 %r2,%r2,1; }\n add.u32 %r2,%r2,%r1;'),[7+t for t in T])
good('sibling labels',k('mov.u32 %r2,0;\n{ bra L; add.u32 %r2,%r2,100;\nL: add.u32 %r2,%r2,1; }\n{ bra L; add.u32 %r2,%r2,100;\nL: add.u32 %r2,%r2,2; }'),[3]*32)
good('param array','.version 8.7\n.target sm_90\n.address_size 64\n.func (.param .align 4 .b8 r[8]) f(.param .align 4 .b8 a[12], .param .b32 z){ .reg .b32 x,y,w; ld.param.b32 x,[a]; ld.param.b32 y,[a+8]; ld.param.b32 w,[z]; add.u32 x,x,y; st.param.b32 [r],x; st.param.b32 [r+4],w; ret; }\n'+k('''{ .param .align 4 .b8 p0[12]; .param .b32 p1; .param .align 4 .b8 q[8]; st.param.b32 [p0],%r1; st.param.b32 [p0+4],0; st.param.b32 [p0+8],1000; st.param.b32 [p1],3;
 call.uni (q), f, (p0, p1); ld.param.b32 %r3,[q]; ld.param.b32 %r4,[q+4]; } mul.lo.u32 %r2,%r3,%r4;''',hdr=''),[(t+1000)*3 for t in T])
good('brx',k('and.b32 %r3,%r1,3; T: .branchtargets L2,L0,L1,L0;\n brx.idx %r3,T;\nL0: mov.u32 %r2,10; bra E;\nL1: mov.u32 %r2,20; bra E;\nL2: mov.u32 %r2,30;\nE:'),[[30,10,20,10][t&3] for t in T])
good('vector call',k('mov.b64 %rd5,{%r1,%r1}; mov.b64 {%r3,_},%rd5; mov.b32 {%h1,%h2},%r1; mov.b32 %r2,{%h2,%h1}; add.u32 %r2,%r2,%r3;'),[(t<<16)+t for t in T])
good('pred bar',k('setp.lt.u32 %p1,%r1,32; mov.u32 %r2,3; @%p1 bar.sync 0; @!%p1 bra X; bar.sync 1,32; X: barrier.sync.aligned 2; barrier.cta.sync 3, 32;'),[3]*32)
good('big imm',k('mov.u64 %rd5,0xffffffffffffffffU; shr.u64 %rd5,%rd5,60; cvt.u32.u64 %r2,%rd5; add.s32 %r2,%r2,-2147483648; xor.b32 %r2,%r2,0x80000000; add.u32 %r2,%r2,4294967295; add.u32 %r2,%r2,0b101; add.u32 %r2,%r2,017;'),[(15-1+5+15)&0xffffffff]*32)
good('hexf',k('mov.f32 %f1,0f3F800000; add.rn.f32 %f1,%f1,0F40000000; add.rn.f32 %f1,%f1,0.5; mov.f64 %d1,0d3FF0000000000000; cvt.rn.f32.f64 %f2,%d1; add.rn.f32 %f1,%f1,%f2; add.rn.f32 %f1,%f1,1.5e1; mov.b32 %r2,%f1;'),[0x419c0000]*32)
good('comments',k('mov.u32/*x*/%r2/**/,/* ; } */5// bra nowhere;\n;add.u32 %r2 , %r2\n,\n %r1 ; /* a\n b */ // c'),[5+t for t in T])
good('pragma',k('.pragma "nounroll";\n mov.u32 %r2,1;\n$L: .pragma "used_bytes_mask 15";\n add.u32 %r2,%r2,1; setp.lt.u32 %p1,%r2,9; @%p1 bra $L;'),[9]*32)
good('section',k('mov.u32 %r2,4;')+'.section .debug_str\n{\nfoo:\n.b8 1,2,3\n.b32 foo\n.b64 foo+8\n}\n.section .debug_abbrev { .b8 0 }\n',[4]*32)
good('selp chain',k('setp.gt.and.u32 %p1|%p2,%r1,15,%p7; selp.b32 %r2,1,2,%p2;',regs='.reg .b32 %r<20>;.reg .b64 %rd<20>;.reg .pred %p<8>;').replace('setp.gt.and','setp.ne.u32 %p7,1,2; setp.gt.and'),[1 if t<=15 else 2 for t in T])
good('maxreg',k('mov.u32 %r2,%nctaid.x; add.u32 %r2,%r2,%ntid.x;').replace('.param .u64 o)','.param .u64 .ptr .global .align 4 o)\n.maxntid 32,1,1\n.minnctapersm 1\n.maxnreg 64').replace('.visible .entry','.weak .entry'),[33]*32)
good('vec ld',k('st.shared.v4.u32 [s],{1,2,3,4}; bar.warp.sync 0xffffffff; ld.shared.v2.b32 {%r3,%r4},[s+8]; mad.lo.u32 %r2,%r3,%r4,0;',pre='.shared .align 16 .b8 s[16];'),[12]*32)
good('local',k('mov.u64 %rd6,depot; cvta.local.u64 %rd7,%rd6; st.u32 [%rd7+4],%r1; ld.local.u32 %r2,[depot+4];').replace('{\n.reg','{\n.local .align 8 .b8 depot[16];\n.reg'),[t for t in T])
good('carry',k('add.cc.u32 %r3,%r1,0xfffffff0; addc.cc.u32 %r4,0,0; addc.u32 %r2,%r4,7;'),[(1 if t>=16 else 0)+7 for t in T])
good('guards',k('setp.eq.u32 %p1,%r1,3; mov.u32 %r2,0; @%p1 mov.u32 %r2,8; @!%p1 add.u32 %r2,%r2,1; @%p1 bra.uni Z; add.u32 %r2,%r2,1;\nZ: not.pred %p2,%p1; @%p2 ret;').replace(' st.global.u32 [%rd4],%r2;\n ret',' ret').replace('@%p2 ret;','st.global.u32 [%rd4],%r2;'),[8 if t==3 else 2 for t in T])
good('names',k('.reg .b32 $a,_b,%c_1$; mov.u32 $a,1; mov.u32 _b,2; mov.u32 %c_1$,3; add.u32 %r2,$a,_b; add.u32 %r2,%r2,%c_1$;'),[6]*32)
good('crlf',k('mov.u32 %r2,WARP_SZ;').replace('\n','\r\n'),[32]*32)
good('alias version',k('mov.u32 %r2,1;').replace('.version 8.7','.version 6.0').replace('sm_90','sm_70, debug'),[1]*32)
good('slct etc',k('slct.u32.s32 %r2,%r1,99,-1; sad.u32 %r2,%r2,1,0; bfind.u32 %r3,%r1; cnot.b32 %r4,%r1; add.u32 %r2,%r2,%r4; szext.clamp.u32 %r5,0xff,4; add.u32 %r2,%r2,%r5; bmsk.clamp.b32 %r6,2,3; add.u32 %r2,%r2,%r6; fns.b32 %r7,0xf0,0,1; add.u32 %r2,%r2,%r7;'),[98+(1 if t==0 else 0)+15+28+4 for t in T])
good('shared many',''.join(f'.shared .align 4 .b8 s{i}[32768];\n' for i in range(40)).join([H,''])+k('st.shared.u32 [s39+32764],%r1; bar.warp.sync -1; ld.shared.u32 %r2,[s39+32764];',hdr='').replace('st.shared.u32 [s39+32764],%r1','st.shared.u32 [s39+32764],5'),[5]*32)
base=k('mov.u32 %r2,1;')
bad('empty', 3,'')
bad('noversion', 3,base.replace('.version 8.7',''))
bad('version99', 3,base.replace('8.7','99.9'))
bad('v5', 3,base.replace('8.7','5.0'))
bad('unclosed', 3,base[:-3])
bad('undeclared', 3,k('mov.u32 %r99,1; mov.u32 %r2,%r99;'))
bad('undefined label', 3,k('bra NOPE;'))
bad('dup label', 3,k('A: mov.u32 %r2,1;\nA:'))
bad('dup reg', 3,k('.reg .b32 %r2;.reg .b32 q;.reg .b32 q; mov.u32 %r2,1;'))
bad('attribute without end', 3,H+'.entry .attribute(a')
bad('attribute without parameter list', 3,H+'.entry .attribute a')
bad('attribute of a variable without end', 3,H+'.global .attribute(.managed .b32 v;')
bad('bad op', 4,k('frobnicate.u32 %r2,%r1;'))
bad('approx', 4,k('rcp.approx.f32 %f1,1.0; mov.b32 %r2,%f1;'))
bad('few operands', 3,k('add.u32 %r2,%r1;'))
bad('many operands', 3,k('add.u32 %r2,%r1,%r1,%r1,%r1;'))
bad('type mix', 3,k('add.u32 %r2,%p1,%r1;'))
bad('huge reg', 3,k('.reg .b32 %z<4000000000>; mov.u32 %r2,1;'))
bad('huge shared', 3,k('mov.u32 %r2,s;',pre='.shared .b8 s[2000000000];'))
bad('huge global', 3,k('mov.u32 %r2,1;',pre='.global .b8 g[99999999999999];'))
bad('deep', 3,k('{'*5000+'}'*5000+'mov.u32 %r2,1;'))
bad('nul', 3,base.replace('mov.u32 %r2','mov\0.u32 %r2'))
bad('call undefined', 1,k('call nothere;mov.u32 %r2,1;'))
bad('no entry', 2,H+'.func f(){ret;}')
bad('init overflow', 3,k('mov.u32 %r2,1;',pre='.global .u32 g[2]={1,2,3};'))
bad('unknown symbol init', 3,k('mov.u32 %r2,1;',pre='.global .u64 g={nowhere};'))
bad('bad imm', 3,k('mov.u32 %r2,0xzz;'))
bad('unterminated comment', 3,base+'/* ')
bad('unterminated string', 3,base+'.file 1 "abc')
bad('sm_999', 3,base.replace('sm_90','sm_999'))
bad('address 32', 3,base.replace('address_size 64','address_size 32'))
bad('endless brx', 1,k('mov.u32 %r3,9; T: .branchtargets L;\nL: brx.idx %r3,T; mov.u32 %r2,1;'))
bad('cp.async odd', 3,k('cp.async.ca.shared.global [s],[%rd2],3; mov.u32 %r2,1;',pre='.shared .b8 s[16];'))
bad('recursive type', 3,k('mov.u32 %r2,1;',pre='.global .b8 g[1<<40];'))
bad('dup func', 3,H+'.func f(){ret;}\n.func f(){ret;}\n'+k('mov.u32 %r2,1;',hdr=''))
bad('dup entry', 3,base+base.replace(H,''))
bad('big align', 3,k('mov.u32 %r2,1;',pre='.shared .align 3 .b8 s[4];'))
bad('endless', 1,k('L: bra L;'))
bad('stack', 1,H+'.func f(){ .local .b8 a[1024]; call f; ret; }\n'+k('call f; mov.u32 %r2,1;',hdr=''))


def run(text, folder):
    (folder / "a.ptx").write_bytes(text.encode())
    (folder / "o.safetensors").unlink(missing_ok=True)
    return subprocess.run([sys.argv[1], "kernel", "run", folder / "a.ptx", "--entry", "k", "--device", "emu:sm_90", "--grid", "1", "--block", "32",
                           "--arg", "out:o=i32[32]", "--output", folder / "o.safetensors", "--json", "--max-instructions", "200000"],
                          capture_output=True, text=True, timeout=120)


failed = 0
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    for name, text, expected in ODD:
        result, got = run(text, folder), None
        if result.returncode == 0:
            data = (folder / "o.safetensors").read_bytes()
            at = 8 + struct.unpack("<Q", data[:8])[0]
            got = list(struct.unpack("<32I", data[at:at + 128]))
        if got != expected:
            failed += 1
            print(f"{name}: exit {result.returncode}, {(result.stderr or result.stdout).strip()}\n  {got}\n  not {expected}")
    for name, code, text in BROKEN:
        result = run(text, folder)
        if result.returncode != code or result.stderr.count("\n") > 1:
            failed += 1
            print(f"{name}: exit {result.returncode}, not {code}: {result.stderr or result.stdout}")
HEAD = ".version 8.0\n.target sm_80\n.address_size 64\n"
LONG = {
    "file without a name": HEAD + ".file\t" * 200000,
    "functions": HEAD + "".join(f".func f{i};\n" for i in range(60000)),
    "scopes with branches": HEAD + ".visible .entry e()\n{\n" + "{ bra X; }" * 50000 + "X:\nret;\n}\n",
    "files": HEAD + "".join(f'.file {i} "f{i}.cu"\n' for i in range(65535)),
    "initialiser": HEAD + "".join(f".global .u8 a{i}[268435456] = {{1}};\n" for i in range(40)),
    "products and sums": HEAD + ".visible .entry e()\n{\n.reg .f32 %f<4>;\nmul.f32 %f1,%f2,%f3;\n" + "add.f32 %f2,%f1,%f2;\n" * 40000 + "ret;\n}\n",
}
with tempfile.TemporaryDirectory() as name:
    for what, text in LONG.items():  # quadratic, each takes minutes, or more memory than there is
        path = pathlib.Path(name) / "long.ptx"
        path.write_text(text)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = subprocess.run([sys.argv[1], "kernel", "show", path], capture_output=True, text=True, timeout=300)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if result.returncode not in (0, 3) or seconds > 60:  # what is quadratic takes minutes
            failed += 1
            print(f"{what}: exit {result.returncode}, {seconds:.1f} s of processor time: {result.stderr[:200]}")
def small_stack():
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 19, resource.RLIM_INFINITY))


with tempfile.TemporaryDirectory() as name:  # functions that call each other in a row, on a small stack of the host
    path = pathlib.Path(name) / "chain.ptx"
    path.write_text(HEAD + ".func f0(){ret;}\n" + "".join(f".func f{i}(){{call f{i - 1};ret;}}\n" for i in range(1, 20000))
                    + ".visible .entry k(){call f19999;ret;}\n")
    result = subprocess.run([sys.argv[1], "kernel", "run", path, "--entry", "k", "--device", "emu:sm_90", "--grid", "1", "--block", "32"],
                            capture_output=True, text=True, timeout=300, preexec_fn=small_stack)
    if result.returncode != 1 or "stack-overflow" not in result.stderr:
        failed += 1
        print(f"a chain of calls: exit {result.returncode}: {result.stderr[:200]}")
print(f"{len(LONG)} long texts, {len(ODD)} odd and {len(BROKEN)} broken texts, {failed} failed")
sys.exit(failed != 0)

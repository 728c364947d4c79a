define internal fastcc void @_ZN7descend7engines7runtime6launchB2v1B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAg6cJqBrMeIZJFEGM0QQAExx(ptr noalias nonnull writeonly %retptr, i64 %arg.job, i64 %arg.worker_address) unnamed_addr {
B0.endif:
  %.11 = inttoptr i64 %arg.job to ptr
  %.12 = getelementptr i8, ptr %.11, i64 168
  %.13 = load i64, ptr %.12, align 8
  %.20 = getelementptr i8, ptr %.11, i64 136
  %.21 = load i64, ptr %.20, align 8
  %..21 = tail call i64 @llvm.smax.i64(i64 %.21, i64 0)
  %sunkaddr43 = getelementptr i8, ptr %.11, i64 144
  %sunkaddr45 = getelementptr i8, ptr %.11, i64 184
  %sunkaddr47 = getelementptr i8, ptr %.11, i64 192
  br label %B122

B122:
  %.109127 = phi i64 [ %.116, %B124 ], [ 0, %B0.endif ]
  %exitcond.not = icmp eq i64 %..21, %.109127
  br i1 %exitcond.not, label %B400.endif, label %B124

B124:
  %.116 = add nuw i64 %.109127, 1
  %.144 = load i64, ptr %sunkaddr43, align 8
  %.145 = inttoptr i64 %.144 to ptr
  %0 = shl i64 %.109127, 3
  %scevgep42 = getelementptr i8, ptr %.145, i64 %0
  %.147 = load i64, ptr %scevgep42, align 8
  %.151 = load i64, ptr %sunkaddr45, align 8
  %.152 = add nsw i64 %.151, %.147
  %.153 = inttoptr i64 %.152 to ptr
  %.155 = load i64, ptr %.153, align 8
  %.156 = tail call i64 @descend_get_grad(i64 %.155)
  %.157 = inttoptr i64 %.156 to ptr
  %.159 = load i64, ptr %.157, align 8
  %.163 = load i64, ptr %sunkaddr47, align 8
  %.164 = add nsw i64 %.163, %.159
  %.165 = inttoptr i64 %.164 to ptr
  %.167 = load i64, ptr %.165, align 8
  %.168.not = icmp eq i64 %.167, 0
  br i1 %.168.not, label %B122, label %common.ret

common.ret:
  %.sink = phi i64 [ 0, %B707.i ], [ 1, %B470.endif.thread ], [ 0, %B570 ], [ 0, %B274.i ], [ 1, %B124 ]
  store i64 %.sink, ptr %retptr, align 8
  ret void

B470:
  %.274137140 = phi i64 [ 0, %B470.lr.ph ], [ %.281, %B468.backedge ]
  %.281 = add nuw nsw i64 %.274137140, 1
  %.25.i = load i64, ptr %.11, align 8
  %.29.i = load i64, ptr %sunkaddr45, align 8
  %.40.i = load i64, ptr %.39.i, align 8
  %.41.i = inttoptr i64 %.40.i to ptr
  %.42.i = getelementptr i64, ptr %.41.i, i64 %.274137140
  %.43.i = load i64, ptr %.42.i, align 8
  %.45.i = add nsw i64 %.43.i, %.29.i
  %.43.i.i = load i64, ptr %.42.i.i2, align 8
  %.45.i.i3 = inttoptr i64 %.45.i to ptr
  %.47.i2.i = load i64, ptr %.45.i.i3, align 8
  %.51.i.i = load i64, ptr %sunkaddr47, align 8
  %.52.i3.i = add nsw i64 %.51.i.i, %.47.i2.i
  %.53.i4.i = inttoptr i64 %.52.i3.i to ptr
  %.55.i5.i = load i64, ptr %.53.i4.i, align 8
  %sunkaddr42.i.i = inttoptr i64 %.43.i.i to ptr
  %sunkaddr43.i.i = shl i64 %.274137140, 3
  %sunkaddr44.i.i = getelementptr i8, ptr %sunkaddr42.i.i, i64 %sunkaddr43.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.i.i, label %_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.thread.i.i

_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.thread.i.i:
  store i64 %.55.i5.i, ptr %sunkaddr44.i.i, align 8
  br label %B236.i.i

_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.i.i:
  %.35.pre.i.i10.i = load i64, ptr %sunkaddr44.i.i, align 8
  %.not.i11.i = icmp eq i64 %.35.pre.i.i10.i, %.55.i5.i
  br i1 %.not.i11.i, label %B236.i.i, label %B470.endif.thread

B236.i.i:
  %.113.i.i = load i64, ptr %.112.i.i, align 8
  %.118.i6.i = load i64, ptr %.117.i.i, align 8
  %.119.i.i = inttoptr i64 %.118.i6.i to ptr
  %.120.i7.i = getelementptr i64, ptr %.119.i.i, i64 %.274137140
  %.121.i.i = load i64, ptr %.120.i7.i, align 8
  %.129.i.i = inttoptr i64 %.113.i.i to ptr
  store i64 0, ptr %.129.i.i, align 8
  %.134.i.i = tail call i32 @descend_get_dtype(i64 %.45.i, i64 %.113.i.i)
  %.136.i.i = add nsw i64 %.113.i.i, 8
  %.138.i.i = tail call i32 @descend_get_rank(i64 %.45.i, i64 %.136.i.i)
  %.143.i.i = add nsw i64 %.113.i.i, 16
  %.145.i.i = tail call i32 @descend_get_sizes(i64 %.45.i, i64 %.143.i.i)
  %.149.i.i = add nsw i64 %.113.i.i, 24
  %.151.i.i = tail call i32 @descend_get_strides(i64 %.45.i, i64 %.149.i.i)
  %.153.i.i = add nsw i64 %.113.i.i, 32
  %.155.i.i = tail call i32 @descend_get_data(i64 %.45.i, i64 %.153.i.i)
  %.160157.i.i = or i32 %.138.i.i, %.134.i.i
  %.141155.i.i = or i32 %.160157.i.i, %.145.i.i
  %.147156.i.i = or i32 %.141155.i.i, %.151.i.i
  %.161158.i.i = or i32 %.147156.i.i, %.155.i.i
  %.162.not.i.i = icmp eq i32 %.161158.i.i, 0
  br i1 %.162.not.i.i, label %B556.i.i, label %B470.endif.thread

B556.i.i:
  %.166.i.i = getelementptr i8, ptr %.129.i.i, i64 8
  %.167.i.i = load i64, ptr %.166.i.i, align 8
  %.169.not.i.i = icmp eq i64 %.167.i.i, %.121.i.i
  br i1 %.169.not.i.i, label %B596.i.i, label %B470.endif.thread

B596.i.i:
  %.175.i.i = load i64, ptr %.174.i.i, align 8
  %.179.i.i = load i64, ptr %.129.i.i, align 8
  %sunkaddr46.i.i = inttoptr i64 %.175.i.i to ptr
  %sunkaddr48.i.i = getelementptr i8, ptr %sunkaddr46.i.i, i64 %sunkaddr43.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.i.i, label %B702.thread.i.i

_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.i.i:
  %.35.pre.i21.i.i = load i64, ptr %sunkaddr48.i.i, align 8
  %.not67.i.i = icmp eq i64 %.35.pre.i21.i.i, %.179.i.i
  br i1 %.not67.i.i, label %B702.i.i, label %B470.endif.thread

B702.i.i:
  %.349184.not.i.i = icmp slt i64 %.121.i.i, 1
  br i1 %.349184.not.i.i, label %_ZN7descend7engines7runtime11same_tensorB2v3B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.i, label %B794.lr.ph.split.us.i.i

B702.thread.i.i:
  store i64 %.179.i.i, ptr %sunkaddr48.i.i, align 8
  %.349184.not70.i.i = icmp slt i64 %.121.i.i, 1
  br i1 %.349184.not70.i.i, label %_ZN7descend7engines7runtime11same_tensorB2v3B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.thread173.i, label %B794.preheader.i.i

B794.preheader.i.i:
  %.23872.i.i = load i64, ptr %.23771.i.i, align 8
  %.23973.i.i = inttoptr i64 %.23872.i.i to ptr
  %.24074.i.i = getelementptr i64, ptr %.23973.i.i, i64 %.274137140
  %.24175.i.i = load i64, ptr %.24074.i.i, align 8
  %xtraiter.i.i = and i64 %.121.i.i, 3
  %1 = icmp samesign ult i64 %.121.i.i, 4
  br i1 %1, label %B794.preheader.B794.epil.preheader_crit_edge.i.i, label %B794.preheader.new.i.i

B794.preheader.B794.epil.preheader_crit_edge.i.i:
  %.pre1.i.i = shl nuw nsw i64 %.121.i.i, 3
  %.pre.i.i = inttoptr i64 %.24175.i.i to ptr
  br label %B794.epil.preheader.i.i

B794.preheader.new.i.i:
  %2 = inttoptr i64 %.24175.i.i to ptr
  %unroll_iter.i.i = and i64 %.121.i.i, 9223372036854775804
  %3 = shl i64 %.121.i.i, 3
  %4 = getelementptr i8, ptr %2, i64 %3
  %scevgep108.i.i = getelementptr i8, ptr %4, i64 24
  %sunkaddr56.i.i = getelementptr i8, ptr %.129.i.i, i64 16
  %sunkaddr65.i.i = getelementptr i8, ptr %.129.i.i, i64 24
  br label %B794.i.i

B794.lr.ph.split.us.i.i:
  %.238.i.i = load i64, ptr %.23771.i.i, align 8
  %.239.i8.i = inttoptr i64 %.238.i.i to ptr
  %.240.i9.i = getelementptr i64, ptr %.239.i8.i, i64 %.274137140
  %.241.i.i = load i64, ptr %.240.i9.i, align 8
  %.393.i.i = getelementptr i8, ptr %.129.i.i, i64 16
  %sunkaddr.i24.i.i = inttoptr i64 %.241.i.i to ptr
  %.394.us.i.i = load i64, ptr %.393.i.i, align 8
  %5 = shl i64 %.121.i.i, 3
  %scevgep91.i.i = getelementptr i8, ptr %sunkaddr.i24.i.i, i64 %5
  %6 = inttoptr i64 %.394.us.i.i to ptr
  %sunkaddr53.i.i = getelementptr i8, ptr %.129.i.i, i64 24
  br label %B794.us.i.i

B794.us.i.i:
  %.355180185.us.i.i = phi i64 [ 0, %B794.lr.ph.split.us.i.i ], [ %.362.us.i.i, %B962.us.i.i ]
  %.362.us.i.i = add nuw nsw i64 %.355180185.us.i.i, 1
  %7 = shl i64 %.355180185.us.i.i, 3
  %scevgep93.i.i = getelementptr i8, ptr %6, i64 %7
  %.397.us.i.i = load i64, ptr %scevgep93.i.i, align 8
  %sunkaddr3.i26.us.i.i = getelementptr i8, ptr %sunkaddr.i24.i.i, i64 %7
  %.35.pre.i30.us.i.i = load i64, ptr %sunkaddr3.i26.us.i.i, align 8
  %.not68.us.i.i = icmp eq i64 %.35.pre.i30.us.i.i, %.397.us.i.i
  br i1 %.not68.us.i.i, label %_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit40.us.i.i, label %B470.endif.thread

_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit40.us.i.i:
  %.47459.us.i.i = load i64, ptr %sunkaddr53.i.i, align 8
  %.47560.us.i.i = inttoptr i64 %.47459.us.i.i to ptr
  %scevgep1.i.i = getelementptr i8, ptr %.47560.us.i.i, i64 %7
  %.47762.us.i.i = load i64, ptr %scevgep1.i.i, align 8
  %scevgep2.i.i = getelementptr i8, ptr %scevgep91.i.i, i64 %7
  %.35.pre.i39.us.i.i = load i64, ptr %scevgep2.i.i, align 8
  %8 = icmp eq i64 %.35.pre.i39.us.i.i, %.47762.us.i.i
  %.518.not.us.i.i = icmp eq i64 %.397.us.i.i, 1
  %or.cond.us.i.i = or i1 %.518.not.us.i.i, %8
  br i1 %or.cond.us.i.i, label %B962.us.i.i, label %B470.endif.thread

B962.us.i.i:
  %exitcond.not.us.i.i = icmp eq i64 %.121.i.i, %.362.us.i.i
  br i1 %exitcond.not.us.i.i, label %_ZN7descend7engines7runtime11same_tensorB2v3B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.i, label %B794.us.i.i

B794.i.i:
  %.355180185.i.i = phi i64 [ 0, %B794.preheader.new.i.i ], [ %.362.3.i.i, %B794.i.i ]
  %.394.i.i = load i64, ptr %sunkaddr56.i.i, align 8
  %.395.i.i = inttoptr i64 %.394.i.i to ptr
  %9 = shl i64 %.355180185.i.i, 3
  %scevgep127.i.i = getelementptr i8, ptr %.395.i.i, i64 %9
  %.397.i.i = load i64, ptr %scevgep127.i.i, align 8
  %sunkaddr60.i.i = getelementptr i8, ptr %2, i64 %9
  store i64 %.397.i.i, ptr %sunkaddr60.i.i, align 8
  %.474.i.i = load i64, ptr %sunkaddr65.i.i, align 8
  %.475.i.i = inttoptr i64 %.474.i.i to ptr
  %scevgep27.i.i = getelementptr i8, ptr %.475.i.i, i64 %9
  %.477.i.i = load i64, ptr %scevgep27.i.i, align 8
  %scevgep25.i.i = getelementptr i8, ptr %scevgep108.i.i, i64 %9
  %scevgep26.i.i = getelementptr i8, ptr %scevgep25.i.i, i64 -24
  store i64 %.477.i.i, ptr %scevgep26.i.i, align 8
  %.394.1.i.i = load i64, ptr %sunkaddr56.i.i, align 8
  %.395.1.i.i = inttoptr i64 %.394.1.i.i to ptr
  %scevgep122.i.i = getelementptr i8, ptr %.395.1.i.i, i64 8
  %scevgep20.i.i = getelementptr i8, ptr %scevgep122.i.i, i64 %9
  %.397.1.i.i = load i64, ptr %scevgep20.i.i, align 8
  %sunkaddr68.i.i = getelementptr i8, ptr %sunkaddr60.i.i, i64 8
  store i64 %.397.1.i.i, ptr %sunkaddr68.i.i, align 8
  %.474.1.i.i = load i64, ptr %sunkaddr65.i.i, align 8
  %.475.1.i.i = inttoptr i64 %.474.1.i.i to ptr
  %scevgep124.i.i = getelementptr i8, ptr %.475.1.i.i, i64 8
  %scevgep19.i.i = getelementptr i8, ptr %scevgep124.i.i, i64 %9
  %.477.1.i.i = load i64, ptr %scevgep19.i.i, align 8
  %scevgep24.i.i = getelementptr i8, ptr %scevgep25.i.i, i64 -16
  store i64 %.477.1.i.i, ptr %scevgep24.i.i, align 8
  %.394.2.i.i = load i64, ptr %sunkaddr56.i.i, align 8
  %.395.2.i.i = inttoptr i64 %.394.2.i.i to ptr
  %scevgep118.i.i = getelementptr i8, ptr %.395.2.i.i, i64 16
  %scevgep15.i.i = getelementptr i8, ptr %scevgep118.i.i, i64 %9
  %.397.2.i.i = load i64, ptr %scevgep15.i.i, align 8
  %sunkaddr71.i.i = getelementptr i8, ptr %sunkaddr60.i.i, i64 16
  store i64 %.397.2.i.i, ptr %sunkaddr71.i.i, align 8
  %.474.2.i.i = load i64, ptr %sunkaddr65.i.i, align 8
  %.475.2.i.i = inttoptr i64 %.474.2.i.i to ptr
  %scevgep120.i.i = getelementptr i8, ptr %.475.2.i.i, i64 16
  %scevgep13.i.i = getelementptr i8, ptr %scevgep120.i.i, i64 %9
  %.477.2.i.i = load i64, ptr %scevgep13.i.i, align 8
  %scevgep22.i.i = getelementptr i8, ptr %scevgep25.i.i, i64 -8
  store i64 %.477.2.i.i, ptr %scevgep22.i.i, align 8
  %.362.3.i.i = add nuw nsw i64 %.355180185.i.i, 4
  %.394.3.i.i = load i64, ptr %sunkaddr56.i.i, align 8
  %.395.3.i.i = inttoptr i64 %.394.3.i.i to ptr
  %scevgep98.i.i = getelementptr i8, ptr %.395.3.i.i, i64 24
  %scevgep5.i.i = getelementptr i8, ptr %scevgep98.i.i, i64 %9
  %.397.3.i.i = load i64, ptr %scevgep5.i.i, align 8
  %sunkaddr74.i.i = getelementptr i8, ptr %sunkaddr60.i.i, i64 24
  store i64 %.397.3.i.i, ptr %sunkaddr74.i.i, align 8
  %.474.3.i.i = load i64, ptr %sunkaddr65.i.i, align 8
  %.475.3.i.i = inttoptr i64 %.474.3.i.i to ptr
  %scevgep116.i.i = getelementptr i8, ptr %.475.3.i.i, i64 24
  %scevgep.i.i = getelementptr i8, ptr %scevgep116.i.i, i64 %9
  %.477.3.i.i = load i64, ptr %scevgep.i.i, align 8
  store i64 %.477.3.i.i, ptr %scevgep25.i.i, align 8
  %niter.ncmp.3.i.i = icmp eq i64 %unroll_iter.i.i, %.362.3.i.i
  br i1 %niter.ncmp.3.i.i, label %B8.i45.loopexit.unr-lcssa.i.i, label %B794.i.i

B8.i45.loopexit.unr-lcssa.i.i:
  %lcmp.mod.not.i.i = icmp eq i64 %xtraiter.i.i, 0
  br i1 %lcmp.mod.not.i.i, label %_ZN7descend7engines7runtime11same_tensorB2v3B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.thread173.i, label %B794.epil.preheader.i.i

B794.epil.preheader.i.i:
  %.pre-phi.i.i = phi ptr [ %.pre.i.i, %B794.preheader.B794.epil.preheader_crit_edge.i.i ], [ %2, %B8.i45.loopexit.unr-lcssa.i.i ]
  %.pre-phi2.i.i = phi i64 [ %.pre1.i.i, %B794.preheader.B794.epil.preheader_crit_edge.i.i ], [ %3, %B8.i45.loopexit.unr-lcssa.i.i ]
  %.355180185.epil.init.i.i = phi i64 [ 0, %B794.preheader.B794.epil.preheader_crit_edge.i.i ], [ %unroll_iter.i.i, %B8.i45.loopexit.unr-lcssa.i.i ]
  %scevgep95.i.i = getelementptr i8, ptr %.pre-phi.i.i, i64 %.pre-phi2.i.i
  %sunkaddr79.i.i = getelementptr i8, ptr %.129.i.i, i64 16
  %sunkaddr81.i.i = getelementptr i8, ptr %.129.i.i, i64 24
  br label %B794.epil.i.i

B794.epil.i.i:
  %lsr.iv.i.i = phi i64 [ %lsr.iv.next.i.i, %B794.epil.i.i ], [ %xtraiter.i.i, %B794.epil.preheader.i.i ]
  %.355180185.epil.i.i = phi i64 [ %.362.epil.i.i, %B794.epil.i.i ], [ %.355180185.epil.init.i.i, %B794.epil.preheader.i.i ]
  %.362.epil.i.i = add nuw nsw i64 %.355180185.epil.i.i, 1
  %.394.epil.i.i = load i64, ptr %sunkaddr79.i.i, align 8
  %.395.epil.i.i = inttoptr i64 %.394.epil.i.i to ptr
  %10 = shl i64 %.355180185.epil.i.i, 3
  %scevgep97.i.i = getelementptr i8, ptr %.395.epil.i.i, i64 %10
  %.397.epil.i.i = load i64, ptr %scevgep97.i.i, align 8
  %sunkaddr3.i26.epil.i.i = getelementptr i8, ptr %.pre-phi.i.i, i64 %10
  store i64 %.397.epil.i.i, ptr %sunkaddr3.i26.epil.i.i, align 8
  %.474.epil.i.i = load i64, ptr %sunkaddr81.i.i, align 8
  %.475.epil.i.i = inttoptr i64 %.474.epil.i.i to ptr
  %scevgep3.i.i = getelementptr i8, ptr %.475.epil.i.i, i64 %10
  %.477.epil.i.i = load i64, ptr %scevgep3.i.i, align 8
  %scevgep4.i.i = getelementptr i8, ptr %scevgep95.i.i, i64 %10
  store i64 %.477.epil.i.i, ptr %scevgep4.i.i, align 8
  %lsr.iv.next.i.i = add nsw i64 %lsr.iv.i.i, -1
  %epil.iter.cmp.not.i.i = icmp eq i64 %lsr.iv.next.i.i, 0
  br i1 %epil.iter.cmp.not.i.i, label %_ZN7descend7engines7runtime11same_tensorB2v3B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.thread173.i, label %B794.epil.i.i

_ZN7descend7engines7runtime11same_tensorB2v3B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.thread173.i:
  %.56083.i.i = load i64, ptr %.55982.i.i, align 8
  %.56584.i.i = getelementptr i8, ptr %.129.i.i, i64 32
  %.56685.i.i = load i64, ptr %.56584.i.i, align 8
  %sunkaddr82.i.i = inttoptr i64 %.56083.i.i to ptr
  %sunkaddr84.i.i = getelementptr i8, ptr %sunkaddr82.i.i, i64 %sunkaddr43.i.i
  store i64 %.56685.i.i, ptr %sunkaddr84.i.i, align 8
  br label %B0.endif.i

_ZN7descend7engines7runtime11same_tensorB2v3B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.i:
  %.565.i.i = getelementptr i8, ptr %.129.i.i, i64 32
  %.566.i.i = load i64, ptr %.565.i.i, align 8
  %.560.i.i = load i64, ptr %.55982.i.i, align 8
  %sunkaddr75.i.i = inttoptr i64 %.560.i.i to ptr
  %sunkaddr77.i.i = getelementptr i8, ptr %sunkaddr75.i.i, i64 %sunkaddr43.i.i
  %.35.pre.i48.i.i = load i64, ptr %sunkaddr77.i.i, align 8
  %.not.i = icmp eq i64 %.35.pre.i48.i.i, %.566.i.i
  br i1 %.not.i, label %B0.endif.i, label %B470.endif.thread

B380.i:
  %.170.i6 = sub nsw i64 %.159.i, %.169.i5
  %.180.i = tail call i64 @llvm.abs.i64(i64 %.170.i6, i1 false)
  %.187.i = load i64, ptr %.186.i, align 8
  %.188.i = inttoptr i64 %.187.i to ptr
  %.189.i = getelementptr i64, ptr %.188.i, i64 %.274137140
  %.190.i = load i64, ptr %.189.i, align 8
  %.191.i = icmp slt i64 %.180.i, %.190.i
  br i1 %.191.i, label %B470.endif.thread, label %B462.endif.i

B534.i:
  %lsr.iv.i = phi i64 [ %23, %B534.preheader.i ], [ %lsr.iv.next.i, %B532.backedge.i ]
  %.297121124.i = phi i64 [ 2, %B534.preheader.i ], [ %.304.i, %B532.backedge.i ]
  %.304.i = add nuw i64 %.297121124.i, 1
  %.337.i = load i64, ptr %.39.i, align 8
  %.338.i = inttoptr i64 %.337.i to ptr
  %scevgep.i = getelementptr i8, ptr %.338.i, i64 %lsr.iv.i
  %.340.i = load i64, ptr %scevgep.i, align 8
  %.342.i = add nsw i64 %.340.i, %.29.i
  %.31.i.i = load i64, ptr %.11, align 8
  %.33.i14.i = mul nsw i64 %.31.i.i, %.297121124.i
  %.35.i.i = add nsw i64 %.33.i14.i, %.274137140
  %.43.i16.i = load i64, ptr %.42.i.i2, align 8
  %.45.i17.i = inttoptr i64 %.342.i to ptr
  %.47.i18.i = load i64, ptr %.45.i17.i, align 8
  %.51.i20.i = load i64, ptr %sunkaddr47, align 8
  %.52.i21.i = add nsw i64 %.51.i20.i, %.47.i18.i
  %.53.i22.i = inttoptr i64 %.52.i21.i to ptr
  %.55.i23.i = load i64, ptr %.53.i22.i, align 8
  %sunkaddr2.i.i.i = shl i64 %.35.i.i, 3
  %sunkaddr41.i.i = inttoptr i64 %.43.i16.i to ptr
  %sunkaddr42.i24.i = getelementptr i8, ptr %sunkaddr41.i.i, i64 %sunkaddr2.i.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.i98.i, label %_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.thread.i25.i

_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.thread.i25.i:
  store i64 %.55.i23.i, ptr %sunkaddr42.i24.i, align 8
  br label %B236.i26.i

_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.i98.i:
  %.35.pre.i.i99.i = load i64, ptr %sunkaddr42.i24.i, align 8
  %.not.i100.i = icmp eq i64 %.35.pre.i.i99.i, %.55.i23.i
  br i1 %.not.i100.i, label %B236.i26.i, label %B470.endif.thread

B236.i26.i:
  %.113.i28.i = load i64, ptr %.112.i.i, align 8
  %.118.i30.i = load i64, ptr %.117.i.i, align 8
  %.119.i31.i = inttoptr i64 %.118.i30.i to ptr
  %.120.i32.i = getelementptr i64, ptr %.119.i31.i, i64 %.274137140
  %.121.i33.i = load i64, ptr %.120.i32.i, align 8
  %.129.i34.i = inttoptr i64 %.113.i28.i to ptr
  store i64 0, ptr %.129.i34.i, align 8
  %.134.i35.i = tail call i32 @descend_get_dtype(i64 %.342.i, i64 %.113.i28.i)
  %.136.i36.i = add nsw i64 %.113.i28.i, 8
  %.138.i37.i = tail call i32 @descend_get_rank(i64 %.342.i, i64 %.136.i36.i)
  %.143.i38.i = add nsw i64 %.113.i28.i, 16
  %.145.i39.i = tail call i32 @descend_get_sizes(i64 %.342.i, i64 %.143.i38.i)
  %.149.i40.i = add nsw i64 %.113.i28.i, 24
  %.151.i41.i = tail call i32 @descend_get_strides(i64 %.342.i, i64 %.149.i40.i)
  %.153.i42.i = add nsw i64 %.113.i28.i, 32
  %.155.i43.i = tail call i32 @descend_get_data(i64 %.342.i, i64 %.153.i42.i)
  %.160157.i44.i = or i32 %.138.i37.i, %.134.i35.i
  %.141155.i45.i = or i32 %.160157.i44.i, %.145.i39.i
  %.147156.i46.i = or i32 %.141155.i45.i, %.151.i41.i
  %.161158.i47.i = or i32 %.147156.i46.i, %.155.i43.i
  %.162.not.i48.i = icmp eq i32 %.161158.i47.i, 0
  br i1 %.162.not.i48.i, label %B556.i50.i, label %B470.endif.thread

B556.i50.i:
  %.166.i51.i = getelementptr i8, ptr %.129.i34.i, i64 8
  %.167.i52.i = load i64, ptr %.166.i51.i, align 8
  %.169.not.i53.i = icmp eq i64 %.167.i52.i, %.121.i33.i
  br i1 %.169.not.i53.i, label %B596.i54.i, label %B470.endif.thread

B596.i54.i:
  %.175.i56.i = load i64, ptr %.174.i.i, align 8
  %.179.i57.i = load i64, ptr %.129.i34.i, align 8
  %sunkaddr45.i.i = inttoptr i64 %.175.i56.i to ptr
  %sunkaddr46.i58.i = getelementptr i8, ptr %sunkaddr45.i.i, i64 %sunkaddr2.i.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.i95.i, label %_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.thread.i.i

_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.thread.i.i:
  store i64 %.179.i57.i, ptr %sunkaddr46.i58.i, align 8
  br label %B702.i59.i

_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.i95.i:
  %.35.pre.i21.i96.i = load i64, ptr %sunkaddr46.i58.i, align 8
  %.not67.i97.i = icmp eq i64 %.35.pre.i21.i96.i, %.179.i57.i
  br i1 %.not67.i97.i, label %B702.i59.i, label %B470.endif.thread

B702.i59.i:
  %.350184.not.i.i = icmp slt i64 %.121.i33.i, 1
  br i1 %.350184.not.i.i, label %B964.i.i, label %B794.lr.ph.i.i

B794.lr.ph.i.i:
  %.238.i61.i = load i64, ptr %.23771.i.i, align 8
  %.239.i62.i = inttoptr i64 %.238.i61.i to ptr
  %.240.i63.i = getelementptr i64, ptr %.239.i62.i, i64 %.274137140
  %.241.i64.i = load i64, ptr %.240.i63.i, align 8
  %11 = inttoptr i64 %.241.i64.i to ptr
  %sunkaddr145.i.i = getelementptr i8, ptr %.129.i34.i, i64 16
  %.395.i65.i = load i64, ptr %sunkaddr145.i.i, align 8
  %12 = shl i64 %.121.i33.i, 3
  %scevgep115.i.i = getelementptr i8, ptr %11, i64 %12
  %13 = inttoptr i64 %.395.i65.i to ptr
  %sunkaddr70.i.i = getelementptr i8, ptr %.129.i34.i, i64 24
  br label %B794.i66.i

B794.i66.i:
  %.356180185.i.i = phi i64 [ 0, %B794.lr.ph.i.i ], [ %.363.i.i, %B962.i.i ]
  %.363.i.i = add nuw nsw i64 %.356180185.i.i, 1
  %14 = shl i64 %.356180185.i.i, 3
  %scevgep117.i.i = getelementptr i8, ptr %13, i64 %14
  %.398.i.i = load i64, ptr %scevgep117.i.i, align 8
  %sunkaddr3.i26.i.i = getelementptr i8, ptr %11, i64 %14
  %.35.pre.i30.i.i = load i64, ptr %sunkaddr3.i26.i.i, align 8
  %.not68.i.i = icmp eq i64 %.35.pre.i30.i.i, %.398.i.i
  br i1 %.not68.i.i, label %_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit40.i.i, label %B470.endif.thread

_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit40.i.i:
  %.47559.i.i = load i64, ptr %sunkaddr70.i.i, align 8
  %.47660.i.i = inttoptr i64 %.47559.i.i to ptr
  %scevgep.i67.i = getelementptr i8, ptr %.47660.i.i, i64 %14
  %.47862.i.i = load i64, ptr %scevgep.i67.i, align 8
  %scevgep38.i.i = getelementptr i8, ptr %scevgep115.i.i, i64 %14
  %.35.pre.i39.i.i = load i64, ptr %scevgep38.i.i, align 8
  %15 = icmp eq i64 %.35.pre.i39.i.i, %.47862.i.i
  %.519.not.i.i = icmp eq i64 %.398.i.i, 1
  %or.cond.i.i = or i1 %.519.not.i.i, %15
  br i1 %or.cond.i.i, label %B962.i.i, label %B470.endif.thread

B962.i.i:
  %exitcond.not.i.i = icmp eq i64 %.121.i33.i, %.363.i.i
  br i1 %exitcond.not.i.i, label %B964.i.i, label %B794.i66.i

B964.i.i:
  %.561.i.i = load i64, ptr %.55982.i.i, align 8
  %.566.i69.i = getelementptr i8, ptr %.129.i34.i, i64 32
  %.567.i.i = load i64, ptr %.566.i69.i, align 8
  %sunkaddr.i42.i.i = inttoptr i64 %.561.i.i to ptr
  %sunkaddr3.i44.i.i = getelementptr i8, ptr %sunkaddr.i42.i.i, i64 %sunkaddr2.i.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime11same_tensorB2v6B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxxb.exit.i, label %_ZN7descend7engines7runtime11same_tensorB2v6B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxxb.exit.thread178.i

_ZN7descend7engines7runtime11same_tensorB2v6B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxxb.exit.thread178.i:
  store i64 %.567.i.i, ptr %sunkaddr3.i44.i.i, align 8
  br label %B532.backedge.i

_ZN7descend7engines7runtime11same_tensorB2v6B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxxb.exit.i:
  %.35.pre.i48.i71.i = load i64, ptr %sunkaddr3.i44.i.i, align 8
  %.not184.i = icmp eq i64 %.35.pre.i48.i71.i, %.567.i.i
  br i1 %.not184.i, label %B532.backedge.i, label %B470.endif.thread

B640.i:
  %.408.i = load i64, ptr %.407.i, align 8
  %.409.i = icmp eq i64 %.408.i, 0
  br i1 %.409.i, label %B468.backedge, label %B690.i

B690.i:
  %.27.i.i = inttoptr i64 %.408.i to ptr
  %.28.i.i = getelementptr i64, ptr %.27.i.i, i64 %.274137140
  %.29.i.i = load i64, ptr %.28.i.i, align 8
  %.33.i.i8 = load i64, ptr %sunkaddr45, align 8
  %.34.i.i9 = add nsw i64 %.33.i.i8, %.29.i.i
  %.38.i.i = load i64, ptr %.112.i.i, align 8
  %.47.i.i = inttoptr i64 %.34.i.i9 to ptr
  %.49.i.i = load i64, ptr %.47.i.i, align 8
  %.53.i.i = load i64, ptr %sunkaddr47, align 8
  %.54.i.i = add nsw i64 %.53.i.i, %.49.i.i
  %.55.i.i = inttoptr i64 %.54.i.i to ptr
  %.57.i.i = load i64, ptr %.55.i.i, align 8
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v8B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2814_29xb.exit.i.i, label %_ZN7descend7engines7runtime5agreeB2v8B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2814_29xb.exit.thread.i.i

_ZN7descend7engines7runtime5agreeB2v8B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2814_29xb.exit.thread.i.i:
  store i64 %.57.i.i, ptr %sunkaddr33.i, align 8
  br label %B284.i.i

_ZN7descend7engines7runtime5agreeB2v8B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2814_29xb.exit.i.i:
  %.35.pre.i.i.i = load i64, ptr %sunkaddr33.i, align 8
  %.not.i.i = icmp eq i64 %.35.pre.i.i.i, %.57.i.i
  br i1 %.not.i.i, label %B284.i.i, label %B470.endif.thread

B284.i.i:
  %.111.i.i = inttoptr i64 %.38.i.i to ptr
  store i64 0, ptr %.111.i.i, align 8
  %.116.i.i = tail call i32 @descend_get_dtype(i64 %.34.i.i9, i64 %.38.i.i)
  %.118.i.i = add nsw i64 %.38.i.i, 8
  %.120.i.i = tail call i32 @descend_get_data(i64 %.34.i.i9, i64 %.118.i.i)
  %.12542.i.i = or i32 %.120.i.i, %.116.i.i
  %.126.not.i.i = icmp eq i32 %.12542.i.i, 0
  br i1 %.126.not.i.i, label %B394.i.i, label %B470.endif.thread

B394.i.i:
  %.132.i.i = load i64, ptr %.111.i.i, align 8
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v9B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2815_29xb.exit.i.i, label %_ZN7descend7engines7runtime5agreeB2v9B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2815_29xb.exit.thread.i.i

_ZN7descend7engines7runtime5agreeB2v9B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2815_29xb.exit.thread.i.i:
  store i64 %.132.i.i, ptr %sunkaddr37.i, align 8
  br label %B472.i.i

_ZN7descend7engines7runtime5agreeB2v9B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2815_29xb.exit.i.i:
  %.35.pre.i7.i.i = load i64, ptr %sunkaddr37.i, align 8
  %.not12.i.i = icmp eq i64 %.35.pre.i7.i.i, %.132.i.i
  br i1 %.not12.i.i, label %B472.i.i, label %B470.endif.thread

B472.i.i:
  %.185.i.i = getelementptr i8, ptr %.111.i.i, i64 8
  %.186.i.i = load i64, ptr %.185.i.i, align 8
  %.195.i.i = load i64, ptr %.194.i.i, align 8
  %.198.i.i = inttoptr i64 %.195.i.i to ptr
  %.199.i.i = getelementptr i64, ptr %.198.i.i, i64 %.274137140
  store i64 %.186.i.i, ptr %.199.i.i, align 8
  %.205.i.i = load i64, ptr %.204.i.i, align 8
  %.206.i.i = inttoptr i64 %.205.i.i to ptr
  %.207.i.i = getelementptr i64, ptr %.206.i.i, i64 %.274137140
  %.208.i.i = load i64, ptr %.207.i.i, align 8
  %.211.i.i = inttoptr i64 %.208.i.i to ptr
  %.213.i.i = load double, ptr %.211.i.i, align 8
  %.214.i.i = fadd double %.213.i.i, -1.000000e+00
  %.221.i.i = load i64, ptr %.220.i.i, align 8
  %.224.not.i.i = icmp eq i64 %.221.i.i, 0
  %16 = inttoptr i64 %.186.i.i to ptr
  br i1 %.224.not.i.i, label %B738.i.i, label %B706.i.i

B706.i.i:
  %.229.i.i = load double, ptr %16, align 8
  br label %_ZN7descend7engines7runtime10same_entryB2v2B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxb.exit

B738.i.i:
  %.239.i.i = load float, ptr %16, align 4
  %.240.i.i = fpext float %.239.i.i to double
  br label %_ZN7descend7engines7runtime10same_entryB2v2B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxb.exit

B0.endif.i:
  %.95.i = load i64, ptr %.45.i.i3, align 8
  %.98.i = tail call i64 @descend_get_grad(i64 %.95.i)
  %.31.i103.i = load i64, ptr %.11, align 8
  %.35.i104.i = add nsw i64 %.31.i103.i, %.274137140
  %.43.i106.i = load i64, ptr %.42.i.i2, align 8
  %.45.i107.i = inttoptr i64 %.98.i to ptr
  %.47.i108.i = load i64, ptr %.45.i107.i, align 8
  %.51.i110.i = load i64, ptr %sunkaddr47, align 8
  %.52.i111.i = add nsw i64 %.51.i110.i, %.47.i108.i
  %.53.i112.i = inttoptr i64 %.52.i111.i to ptr
  %.55.i113.i = load i64, ptr %.53.i112.i, align 8
  %sunkaddr9.i.i = inttoptr i64 %.43.i106.i to ptr
  %sunkaddr10.i.i = shl i64 %.35.i104.i, 3
  %sunkaddr14.i.i = getelementptr i8, ptr %sunkaddr9.i.i, i64 %sunkaddr10.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.i168.i, label %_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.thread.i114.i

_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.thread.i114.i:
  store i64 %.55.i113.i, ptr %sunkaddr14.i.i, align 8
  br label %B236.i115.i

_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.i168.i:
  %.35.pre.i.i169.i = load i64, ptr %sunkaddr14.i.i, align 8
  %.not.i170.i = icmp eq i64 %.35.pre.i.i169.i, %.55.i113.i
  br i1 %.not.i170.i, label %B236.i115.i, label %B470.endif.thread

B236.i115.i:
  %.113.i117.i = load i64, ptr %.112.i.i, align 8
  %.118.i119.i = load i64, ptr %.117.i.i, align 8
  %.119.i120.i = inttoptr i64 %.118.i119.i to ptr
  %.120.i121.i = getelementptr i64, ptr %.119.i120.i, i64 %.274137140
  %.121.i122.i = load i64, ptr %.120.i121.i, align 8
  %.129.i123.i = inttoptr i64 %.113.i117.i to ptr
  store i64 0, ptr %.129.i123.i, align 8
  %.134.i124.i = tail call i32 @descend_get_dtype(i64 %.98.i, i64 %.113.i117.i)
  %.136.i125.i = add nsw i64 %.113.i117.i, 8
  %.138.i126.i = tail call i32 @descend_get_rank(i64 %.98.i, i64 %.136.i125.i)
  %.143.i127.i = add nsw i64 %.113.i117.i, 16
  %.145.i128.i = tail call i32 @descend_get_sizes(i64 %.98.i, i64 %.143.i127.i)
  %.149.i129.i = add nsw i64 %.113.i117.i, 24
  %.151.i130.i = tail call i32 @descend_get_strides(i64 %.98.i, i64 %.149.i129.i)
  %.153.i131.i = add nsw i64 %.113.i117.i, 32
  %.155.i132.i = tail call i32 @descend_get_data(i64 %.98.i, i64 %.153.i131.i)
  %.160155.i.i = or i32 %.138.i126.i, %.134.i124.i
  %.141153.i.i = or i32 %.160155.i.i, %.145.i128.i
  %.147154.i.i = or i32 %.141153.i.i, %.151.i130.i
  %.161156.i.i = or i32 %.147154.i.i, %.155.i132.i
  %.162.not.i133.i = icmp eq i32 %.161156.i.i, 0
  br i1 %.162.not.i133.i, label %B556.i134.i, label %B470.endif.thread

B556.i134.i:
  %.166.i135.i = getelementptr i8, ptr %.129.i123.i, i64 8
  %.167.i136.i = load i64, ptr %.166.i135.i, align 8
  %.169.not.i137.i = icmp eq i64 %.167.i136.i, %.121.i122.i
  br i1 %.169.not.i137.i, label %B596.i138.i, label %B470.endif.thread

B596.i138.i:
  %.175.i140.i = load i64, ptr %.174.i.i, align 8
  %.179.i141.i = load i64, ptr %.129.i123.i, align 8
  %sunkaddr19.i.i = inttoptr i64 %.175.i140.i to ptr
  %sunkaddr21.i.i = getelementptr i8, ptr %sunkaddr19.i.i, i64 %sunkaddr10.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.i166.i, label %_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.thread.i142.i

_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.thread.i142.i:
  store i64 %.179.i141.i, ptr %sunkaddr21.i.i, align 8
  br label %B702.i143.i

_ZN7descend7engines7runtime5agreeB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.i166.i:
  %.35.pre.i21.i167.i = load i64, ptr %sunkaddr21.i.i, align 8
  %.not44.i.i = icmp eq i64 %.35.pre.i21.i167.i, %.179.i141.i
  br i1 %.not44.i.i, label %B702.i143.i, label %B470.endif.thread

B702.i143.i:
  %.349182.not.i.i = icmp slt i64 %.121.i122.i, 1
  br i1 %.349182.not.i.i, label %B176.endif.i, label %B794.lr.ph.i144.i

B794.lr.ph.i144.i:
  %.238.i146.i = load i64, ptr %.23771.i.i, align 8
  %.239.i147.i = inttoptr i64 %.238.i146.i to ptr
  %.240.i148.i = getelementptr i64, ptr %.239.i147.i, i64 %.274137140
  %.241.i149.i = load i64, ptr %.240.i148.i, align 8
  %.393.i150.i = getelementptr i8, ptr %.129.i123.i, i64 16
  %.394.i151.i = load i64, ptr %.393.i150.i, align 8
  %sunkaddr.i23.i.i = inttoptr i64 %.241.i149.i to ptr
  %17 = shl i64 %.121.i122.i, 3
  %scevgep46.i.i = getelementptr i8, ptr %sunkaddr.i23.i.i, i64 %17
  %18 = inttoptr i64 %.394.i151.i to ptr
  %sunkaddr23.i.i = getelementptr i8, ptr %.129.i123.i, i64 24
  br label %B794.i152.i

B794.i152.i:
  %.355178183.i.i = phi i64 [ 0, %B794.lr.ph.i144.i ], [ %.362.i.i, %B962.i160.i ]
  %.362.i.i = add nuw nsw i64 %.355178183.i.i, 1
  %19 = shl i64 %.355178183.i.i, 3
  %scevgep48.i.i = getelementptr i8, ptr %18, i64 %19
  %.397.i153.i = load i64, ptr %scevgep48.i.i, align 8
  %sunkaddr3.i25.i.i = getelementptr i8, ptr %sunkaddr.i23.i.i, i64 %19
  %.35.pre.i27.i.i = load i64, ptr %sunkaddr3.i25.i.i, align 8
  %.not45.i.i = icmp eq i64 %.35.pre.i27.i.i, %.397.i153.i
  br i1 %.not45.i.i, label %B872.i.i, label %B470.endif.thread

B872.i.i:
  %.474.i154.i = load i64, ptr %sunkaddr23.i.i, align 8
  %.475.i155.i = inttoptr i64 %.474.i154.i to ptr
  %scevgep.i156.i = getelementptr i8, ptr %.475.i155.i, i64 %19
  %.477.i157.i = load i64, ptr %scevgep.i156.i, align 8
  %scevgep3.i158.i = getelementptr i8, ptr %scevgep46.i.i, i64 %19
  %.35.pre.i33.i.i = load i64, ptr %scevgep3.i158.i, align 8
  %20 = icmp eq i64 %.35.pre.i33.i.i, %.477.i157.i
  %.518.not.i.i = icmp eq i64 %.397.i153.i, 1
  %or.cond.i159.i = or i1 %.518.not.i.i, %20
  br i1 %or.cond.i159.i, label %B962.i160.i, label %B470.endif.thread

B962.i160.i:
  %exitcond.not.i161.i = icmp eq i64 %.121.i122.i, %.362.i.i
  br i1 %exitcond.not.i161.i, label %B176.endif.i, label %B794.i152.i

B176.endif.i:
  %.560.i163.i = load i64, ptr %.55982.i.i, align 8
  %.565.i164.i = getelementptr i8, ptr %.129.i123.i, i64 32
  %.566.i165.i = load i64, ptr %.565.i164.i, align 8
  %sunkaddr62.i.i = inttoptr i64 %.560.i163.i to ptr
  %sunkaddr64.i.i = getelementptr i8, ptr %sunkaddr62.i.i, i64 %sunkaddr10.i.i
  store i64 %.566.i165.i, ptr %sunkaddr64.i.i, align 8
  %.156.i4 = load i64, ptr %.55982.i.i, align 8
  %.157.i = inttoptr i64 %.156.i4 to ptr
  %.158.i = getelementptr i64, ptr %.157.i, i64 %.274137140
  %.159.i = load i64, ptr %.158.i, align 8
  %21 = getelementptr i64, ptr %.157.i, i64 %.25.i
  %.168.i = getelementptr i64, ptr %21, i64 %.274137140
  %.169.i5 = load i64, ptr %.168.i, align 8
  %.175.not.i = icmp eq i64 %.159.i, %.169.i5
  br i1 %.175.not.i, label %B462.endif.i, label %B380.i

B462.endif.i:
  %.211.i = load i64, ptr %.210.i, align 8
  %.248.i = add i64 %.211.i, -2
  %.291123.not.i = icmp slt i64 %.248.i, 1
  br i1 %.291123.not.i, label %B640.i, label %B534.preheader.i

B534.preheader.i:
  %22 = shl i64 %.25.i, 4
  %23 = add i64 %22, %sunkaddr43.i.i
  %24 = shl i64 %.25.i, 3
  br label %B534.i

B532.backedge.i:
  %lsr.iv.next.i = add i64 %lsr.iv.i, %24
  %exitcond.not.i7 = icmp eq i64 %.211.i, %.304.i
  br i1 %exitcond.not.i7, label %B640.i, label %B534.i

_ZN7descend7engines7runtime10same_entryB2v2B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxb.exit:
  %"$phi768.0.2.0.i.i" = phi double [ %.229.i.i, %B706.i.i ], [ %.240.i.i, %B738.i.i ]
  %.248.i.i = fcmp une double %"$phi768.0.2.0.i.i", %.214.i.i
  br i1 %.248.i.i, label %B470.endif.thread, label %B468.backedge

B570:
  %.376 = getelementptr i8, ptr %.11, i64 176
  %.377 = load i64, ptr %.376, align 8
  %.378 = icmp eq i64 %.377, 0
  br i1 %.378, label %B620, label %common.ret

B620:
  %.382 = getelementptr i8, ptr %.11, i64 160
  %.383 = load i64, ptr %.382, align 8
  %.384 = icmp sgt i64 %.383, 1
  br i1 %.384, label %B670, label %B746

B670:
  %.392 = tail call ptr @descend_parallel(i64 %arg.worker_address, i64 %arg.job, i64 %.383, i64 0)
  br label %B780

B746:
  %.11.i = getelementptr i8, ptr %.11, i64 16
  %.12.i = load i64, ptr %.11.i, align 8
  %.13.i.i = load i64, ptr %.11, align 8
  %.24.i.i = icmp sgt i64 %.13.i.i, 1
  %.41.i.i = getelementptr i8, ptr %.11, i64 72
  %.42.i.i = load i64, ptr %.41.i.i, align 8
  %25 = inttoptr i64 %.42.i.i to ptr
  br i1 %.24.i.i, label %B68.i.i, label %_ZN7descend7engines7runtime4workB3v10B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx23Literal_5bint_5d_280_2923Literal_5bint_5d_281_29.exit

B68.i.i:
  %high.2.0.i.i = phi i64 [ %spec.select.i.i, %B68.i.i ], [ %.13.i.i, %B746 ]
  %low.2.0.i.i = phi i64 [ %spec.select34.i.i, %B68.i.i ], [ 0, %B746 ]
  %.33.i.i = add nuw nsw i64 %low.2.0.i.i, %high.2.0.i.i
  %.34.i.i = lshr i64 %.33.i.i, 1
  %.44.i.i = getelementptr i64, ptr %25, i64 %.34.i.i
  %.45.i.i = load i64, ptr %.44.i.i, align 8
  %.47.not.i.i = icmp sgt i64 %.45.i.i, 0
  %spec.select.i.i = select i1 %.47.not.i.i, i64 %.34.i.i, i64 %high.2.0.i.i
  %spec.select34.i.i = select i1 %.47.not.i.i, i64 %low.2.0.i.i, i64 %.34.i.i
  %.88.i.i = sub nsw i64 %spec.select.i.i, %spec.select34.i.i
  %.93.i.i = icmp sgt i64 %.88.i.i, 1
  br i1 %.93.i.i, label %B68.i.i, label %B68.i8.i

B68.i8.i:
  %high.2.0.i9.i = phi i64 [ %spec.select.i16.i, %B68.i8.i ], [ %.13.i.i, %B68.i.i ]
  %low.2.0.i10.i = phi i64 [ %spec.select34.i17.i, %B68.i8.i ], [ 0, %B68.i.i ]
  %.33.i11.i = add nuw nsw i64 %low.2.0.i10.i, %high.2.0.i9.i
  %.34.i12.i = lshr i64 %.33.i11.i, 1
  %.44.i13.i = getelementptr i64, ptr %25, i64 %.34.i12.i
  %.45.i14.i = load i64, ptr %.44.i13.i, align 8
  %.47.not.i15.i = icmp sgt i64 %.45.i14.i, %.12.i
  %spec.select.i16.i = select i1 %.47.not.i15.i, i64 %.34.i12.i, i64 %high.2.0.i9.i
  %spec.select34.i17.i = select i1 %.47.not.i15.i, i64 %low.2.0.i10.i, i64 %.34.i12.i
  %.88.i18.i = sub nsw i64 %spec.select.i16.i, %spec.select34.i17.i
  %.93.i19.i = icmp sgt i64 %.88.i18.i, 1
  br i1 %.93.i19.i, label %B68.i8.i, label %_ZN7descend7engines7runtime4workB3v10B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx23Literal_5bint_5d_280_2923Literal_5bint_5d_281_29.exit

_ZN7descend7engines7runtime4workB3v10B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx23Literal_5bint_5d_280_2923Literal_5bint_5d_281_29.exit:
  %low.4.1.i22.i = phi i64 [ 0, %B746 ], [ %spec.select34.i.i, %B68.i8.i ]
  %low.4.1.i4.i = phi i64 [ 0, %B746 ], [ %spec.select34.i17.i, %B68.i8.i ]
  %.162.i = getelementptr i64, ptr %25, i64 %low.4.1.i22.i
  %.163.i = load i64, ptr %.162.i, align 8
  %.164.i = sub nsw i64 0, %.163.i
  %.171.i = getelementptr i64, ptr %25, i64 %low.4.1.i4.i
  %.172.i = load i64, ptr %.171.i, align 8
  %.173.i = sub nsw i64 %.12.i, %.172.i
  %.221.i = and i64 %.164.i, -1024
  %.279.i = getelementptr i8, ptr %.11, i64 152
  %.280.i = load i64, ptr %.279.i, align 8
  %.286.i = inttoptr i64 %.280.i to ptr
  tail call void %.286.i(i64 %arg.job, i64 %low.4.1.i22.i, i64 %.221.i, i64 %low.4.1.i4.i, i64 %.173.i)
  br label %B780

B780:
  %.10.i6 = load i64, ptr %.11, align 8
  %.14.i = load i64, ptr %sunkaddr45, align 8
  %.23.i = getelementptr i8, ptr %.11, i64 8
  %.24.i = load i64, ptr %.23.i, align 8
  %.26.i = mul nsw i64 %.24.i, %.10.i6
  %.108111.not.i = icmp slt i64 %.26.i, 1
  br i1 %.108111.not.i, label %B274.i, label %B164.lr.ph.i

B164.lr.ph.i:
  %.154.i = shl nsw i64 %.10.i6, 1
  %sunkaddr51 = getelementptr i8, ptr %.11, i64 32
  br label %B164.i

B164.i:
  %.114110112.i = phi i64 [ 0, %B164.lr.ph.i ], [ %.121.i, %B272.i ]
  %.121.i = add nuw i64 %.114110112.i, 1
  %.151.i = icmp slt i64 %.114110112.i, %.10.i6
  %.156.i = icmp sge i64 %.114110112.i, %.154.i
  %or.cond.i = select i1 %.151.i, i1 true, i1 %.156.i
  br i1 %or.cond.i, label %B196.i, label %B272.i

B196.i:
  %.162.i8 = load i64, ptr %sunkaddr51, align 8
  %.163.i9 = inttoptr i64 %.162.i8 to ptr
  %26 = shl i64 %.114110112.i, 3
  %scevgep3.i = getelementptr i8, ptr %.163.i9, i64 %26
  %.165.i = load i64, ptr %scevgep3.i, align 8
  %.169.i = add nsw i64 %.165.i, %.14.i
  %.170.i = tail call ptr @descend_bump_version(i64 %.169.i)
  br label %B272.i

B272.i:
  %exitcond.not.i = icmp eq i64 %.26.i, %.121.i
  br i1 %exitcond.not.i, label %B274.i, label %B164.i

B274.i:
  %.181.i = getelementptr i8, ptr %.11, i64 96
  %.182.i = load i64, ptr %.181.i, align 8
  %.183.not.i = icmp eq i64 %.182.i, 0
  %.267117.not.i = icmp slt i64 %.10.i6, 1
  %or.cond123.i = or i1 %.267117.not.i, %.183.not.i
  br i1 %or.cond123.i, label %common.ret, label %B348.i.preheader

B348.i.preheader:
  %sunkaddr55 = getelementptr i8, ptr %.11, i64 88
  %sunkaddr57 = getelementptr i8, ptr %.11, i64 128
  %sunkaddr59 = getelementptr i8, ptr %.11, i64 104
  br label %B348.i

B348.i:
  %.273116118.i = phi i64 [ %.280.i7, %B707.i ], [ 0, %B348.i.preheader ]
  %.280.i7 = add nuw nsw i64 %.273116118.i, 1
  %.312.i = load i64, ptr %.181.i, align 8
  %.313.i = inttoptr i64 %.312.i to ptr
  %27 = shl i64 %.273116118.i, 3
  %scevgep2.i = getelementptr i8, ptr %.313.i, i64 %27
  %.315.i = load i64, ptr %scevgep2.i, align 8
  %.317.i = add nsw i64 %.315.i, %.14.i
  %.318.i = tail call ptr @descend_bump_version(i64 %.317.i)
  %.323.i = load i64, ptr %sunkaddr55, align 8
  %.324.i = inttoptr i64 %.323.i to ptr
  %scevgep41 = getelementptr i8, ptr %.324.i, i64 %27
  %.326.i = load i64, ptr %scevgep41, align 8
  %.327.i = inttoptr i64 %.326.i to ptr
  %.329.i = load double, ptr %.327.i, align 8
  %.336.i = load i64, ptr %sunkaddr57, align 8
  %.337.not.i = icmp eq i64 %.336.i, 0
  %.360.i = load i64, ptr %sunkaddr59, align 8
  %.361.i = inttoptr i64 %.360.i to ptr
  %scevgep = getelementptr i8, ptr %.361.i, i64 %27
  %.363.i = load i64, ptr %scevgep, align 8
  br i1 %.337.not.i, label %B626.i, label %B550.i

B550.i:
  %.350.i = inttoptr i64 %.363.i to ptr
  store double %.329.i, ptr %.350.i, align 8
  br label %B707.i

B626.i:
  %.367.i = fptrunc double %.329.i to float
  %.368.i = inttoptr i64 %.363.i to ptr
  store float %.367.i, ptr %.368.i, align 4
  br label %B707.i

B707.i:
  %exitcond122.not.i = icmp eq i64 %.10.i6, %.280.i7
  br i1 %exitcond122.not.i, label %common.ret, label %B348.i

B400.endif:
  %.188 = load i64, ptr %.11, align 8
  %.268139.not = icmp slt i64 %.188, 1
  br i1 %.268139.not, label %B570, label %B470.lr.ph

B470.lr.ph:
  %.not = icmp eq i64 %.13, 0
  %.39.i = getelementptr i8, ptr %.11, i64 32
  %.42.i.i2 = getelementptr i8, ptr %.11, i64 40
  %.112.i.i = getelementptr i8, ptr %.11, i64 200
  %.117.i.i = getelementptr i8, ptr %.11, i64 56
  %.174.i.i = getelementptr i8, ptr %.11, i64 48
  %.23771.i.i = getelementptr i8, ptr %.11, i64 64
  %.55982.i.i = getelementptr i8, ptr %.11, i64 24
  %.186.i = getelementptr i8, ptr %.11, i64 80
  %.210.i = getelementptr i8, ptr %.11, i64 8
  %.407.i = getelementptr i8, ptr %.11, i64 96
  %sunkaddr33.i = getelementptr i8, ptr %.11, i64 112
  %sunkaddr37.i = getelementptr i8, ptr %.11, i64 120
  %.194.i.i = getelementptr i8, ptr %.11, i64 104
  %.204.i.i = getelementptr i8, ptr %.11, i64 88
  %.220.i.i = getelementptr i8, ptr %.11, i64 128
  br label %B470

B468.backedge:
  %exitcond148.not = icmp eq i64 %.188, %.281
  br i1 %exitcond148.not, label %B570, label %B470

B470.endif.thread:
  %.357 = getelementptr i8, ptr %.11, i64 208
  store i64 %.274137140, ptr %.357, align 8
  br label %common.ret
}

declare i64 @llvm.smax.i64(i64, i64)

declare i64 @descend_get_grad(i64) local_unnamed_addr

declare ptr @descend_parallel(i64, i64, i64, i64) local_unnamed_addr

declare ptr @descend_bump_version(i64) local_unnamed_addr

declare i64 @llvm.abs.i64(i64, i1 immarg)

declare i32 @descend_get_dtype(i64, i64) local_unnamed_addr

declare i32 @descend_get_data(i64, i64) local_unnamed_addr

declare i32 @descend_get_rank(i64, i64) local_unnamed_addr

declare i32 @descend_get_sizes(i64, i64) local_unnamed_addr

declare i32 @descend_get_strides(i64, i64) local_unnamed_addr

define i64 @descend_launch(i64 %.1, i64 %.2) local_unnamed_addr {
entry:
  %.4 = alloca i64, align 8
  store i64 0, ptr %.4, align 8
  call fastcc void @_ZN7descend7engines7runtime6launchB2v1B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAg6cJqBrMeIZJFEGM0QQAExx(ptr nonnull %.4, i64 %.1, i64 %.2)
  %.18 = load i64, ptr %.4, align 8
  ret i64 %.18
}

define internal fastcc void @_ZN7descend7engines7runtime6workerB3v13B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAg6cJqBrMeIZJFEGM0QQAEx(ptr noalias nonnull writeonly %retptr, i64 %arg.job) unnamed_addr {
B0:
  %.6 = tail call i32 @descend_thread_number()
  %.7 = sext i32 %.6 to i64
  %.8 = tail call i32 @descend_thread_count()
  %.9 = sext i32 %.8 to i64
  %.10.i = inttoptr i64 %arg.job to ptr
  %.11.i = getelementptr i8, ptr %.10.i, i64 16
  %.12.i = load i64, ptr %.11.i, align 8
  %.13.i = mul nsw i64 %.12.i, %.7
  %.16.i = icmp eq i32 %.8, 0
  br i1 %.16.i, label %B0.endif.endif.i, label %B0.else.i

B0.else.i:
  %.27.i = icmp ne i64 %.13.i, -9223372036854775808
  %.28.i = icmp ne i32 %.8, -1
  %.29.not.i = or i1 %.28.i, %.27.i
  br i1 %.29.not.i, label %B0.else.if.i, label %B0.endif.else.i

B0.else.if.i:
  %0 = or i64 %.13.i, %.9
  %1 = icmp ult i64 %0, 4294967296
  br i1 %1, label %2, label %8

2:
  %3 = trunc nuw i64 %.13.i to i32
  %4 = udiv i32 %3, %.8
  %5 = urem i32 %3, %.8
  %6 = zext i32 %4 to i64
  %7 = zext nneg i32 %5 to i64
  br label %11

8:
  %9 = sdiv i64 %.13.i, %.9
  %10 = srem i64 %.13.i, %.9
  br label %11

11:
  %12 = phi i64 [ %6, %2 ], [ %9, %8 ]
  %13 = phi i64 [ %7, %2 ], [ %10, %8 ]
  %.34.i = xor i64 %13, %.9
  %.35.i = icmp slt i64 %.34.i, 0
  %.36.i = icmp ne i64 %13, 0
  %.37.i = and i1 %.36.i, %.35.i
  %.42.i = sext i1 %.37.i to i64
  %spec.select.i = add i64 %12, %.42.i
  br label %B0.endif.else.i

B0.endif.else.i:
  %.21.0.i = phi i64 [ 0, %B0.else.i ], [ %spec.select.i, %11 ]
  %.54.i = add nsw i64 %.7, 1
  %.55.i = mul nsw i64 %.12.i, %.54.i
  %.69.i = icmp ne i64 %.55.i, -9223372036854775808
  %.71.not.i = or i1 %.28.i, %.69.i
  br i1 %.71.not.i, label %B0.endif.else.if.i, label %B0.endif.endif.i

B0.endif.endif.i:
  %quot.028.i = phi i64 [ 0, %B0 ], [ %.21.0.i, %B0.endif.else.i ], [ %.21.0.i, %26 ]
  %quot.1.0.i = phi i64 [ 0, %B0 ], [ 0, %B0.endif.else.i ], [ %spec.select30.i, %26 ]
  %.13.i.i = load i64, ptr %.10.i, align 8
  %.24.i.i = icmp sgt i64 %.13.i.i, 1
  %.41.i.i = getelementptr i8, ptr %.10.i, i64 72
  %.42.i.i = load i64, ptr %.41.i.i, align 8
  %14 = inttoptr i64 %.42.i.i to ptr
  br i1 %.24.i.i, label %B68.i.i, label %_ZN7descend7engines7runtime4workB3v14B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxx.exit

B68.i.i:
  %high.2.0.i.i = phi i64 [ %spec.select.i.i, %B68.i.i ], [ %.13.i.i, %B0.endif.endif.i ]
  %low.2.0.i.i = phi i64 [ %spec.select34.i.i, %B68.i.i ], [ 0, %B0.endif.endif.i ]
  %.33.i.i = add nuw nsw i64 %low.2.0.i.i, %high.2.0.i.i
  %.34.i.i = lshr i64 %.33.i.i, 1
  %.44.i.i = getelementptr i64, ptr %14, i64 %.34.i.i
  %.45.i.i = load i64, ptr %.44.i.i, align 8
  %.47.not.i.i = icmp sgt i64 %.45.i.i, %quot.028.i
  %spec.select.i.i = select i1 %.47.not.i.i, i64 %.34.i.i, i64 %high.2.0.i.i
  %spec.select34.i.i = select i1 %.47.not.i.i, i64 %low.2.0.i.i, i64 %.34.i.i
  %.88.i.i = sub nsw i64 %spec.select.i.i, %spec.select34.i.i
  %.93.i.i = icmp sgt i64 %.88.i.i, 1
  br i1 %.93.i.i, label %B68.i.i, label %B68.i8.i

B0.endif.else.if.i:
  %15 = or i64 %.55.i, %.9
  %16 = icmp ult i64 %15, 4294967296
  br i1 %16, label %17, label %23

17:
  %18 = trunc nuw i64 %.55.i to i32
  %19 = udiv i32 %18, %.8
  %20 = urem i32 %18, %.8
  %21 = zext i32 %19 to i64
  %22 = zext nneg i32 %20 to i64
  br label %26

23:
  %24 = sdiv i64 %.55.i, %.9
  %25 = srem i64 %.55.i, %.9
  br label %26

26:
  %27 = phi i64 [ %21, %17 ], [ %24, %23 ]
  %28 = phi i64 [ %22, %17 ], [ %25, %23 ]
  %.76.i = xor i64 %28, %.9
  %.77.i = icmp slt i64 %.76.i, 0
  %.78.i = icmp ne i64 %28, 0
  %.79.i = and i1 %.78.i, %.77.i
  %.84.i = sext i1 %.79.i to i64
  %spec.select30.i = add i64 %27, %.84.i
  br label %B0.endif.endif.i

B68.i8.i:
  %high.2.0.i9.i = phi i64 [ %spec.select.i16.i, %B68.i8.i ], [ %.13.i.i, %B68.i.i ]
  %low.2.0.i10.i = phi i64 [ %spec.select34.i17.i, %B68.i8.i ], [ 0, %B68.i.i ]
  %.33.i11.i = add nuw nsw i64 %low.2.0.i10.i, %high.2.0.i9.i
  %.34.i12.i = lshr i64 %.33.i11.i, 1
  %.44.i13.i = getelementptr i64, ptr %14, i64 %.34.i12.i
  %.45.i14.i = load i64, ptr %.44.i13.i, align 8
  %.47.not.i15.i = icmp sgt i64 %.45.i14.i, %quot.1.0.i
  %spec.select.i16.i = select i1 %.47.not.i15.i, i64 %.34.i12.i, i64 %high.2.0.i9.i
  %spec.select34.i17.i = select i1 %.47.not.i15.i, i64 %low.2.0.i10.i, i64 %.34.i12.i
  %.88.i18.i = sub nsw i64 %spec.select.i16.i, %spec.select34.i17.i
  %.93.i19.i = icmp sgt i64 %.88.i18.i, 1
  br i1 %.93.i19.i, label %B68.i8.i, label %_ZN7descend7engines7runtime4workB3v14B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxx.exit

_ZN7descend7engines7runtime4workB3v14B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxx.exit:
  %low.4.1.i22.i = phi i64 [ 0, %B0.endif.endif.i ], [ %spec.select34.i.i, %B68.i8.i ]
  %low.4.1.i4.i = phi i64 [ 0, %B0.endif.endif.i ], [ %spec.select34.i17.i, %B68.i8.i ]
  %sunkaddr1.i = shl i64 %low.4.1.i22.i, 3
  %sunkaddr2.i = getelementptr i8, ptr %14, i64 %sunkaddr1.i
  %.163.i = load i64, ptr %sunkaddr2.i, align 8
  %.164.i = sub nsw i64 %quot.028.i, %.163.i
  %sunkaddr4.i = shl i64 %low.4.1.i4.i, 3
  %sunkaddr5.i = getelementptr i8, ptr %14, i64 %sunkaddr4.i
  %.172.i = load i64, ptr %sunkaddr5.i, align 8
  %.173.i = sub nsw i64 %quot.1.0.i, %.172.i
  %.221.i = and i64 %.164.i, -1024
  %.225.i = icmp slt i64 %quot.1.0.i, %.12.i
  %.269.i = and i64 %.173.i, -1024
  %stop.2.0.i = select i1 %.225.i, i64 %.269.i, i64 %.173.i
  %.279.i = getelementptr i8, ptr %.10.i, i64 152
  %.280.i = load i64, ptr %.279.i, align 8
  %.286.i = inttoptr i64 %.280.i to ptr
  tail call void %.286.i(i64 %arg.job, i64 %low.4.1.i22.i, i64 %.221.i, i64 %low.4.1.i4.i, i64 %stop.2.0.i)
  store ptr null, ptr %retptr, align 8
  ret void
}

declare i32 @descend_thread_number() local_unnamed_addr

declare i32 @descend_thread_count() local_unnamed_addr

define ptr @descend_worker(i64 %.1) local_unnamed_addr {
entry:
  %.3 = alloca ptr, align 8
  store ptr null, ptr %.3, align 8
  call fastcc void @_ZN7descend7engines7runtime6workerB3v13B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAg6cJqBrMeIZJFEGM0QQAEx(ptr nonnull %.3, i64 %.1)
  %.17 = load ptr, ptr %.3, align 8
  ret ptr %.17
}
